// SPDX-License-Identifier: Apache-2.0
// The verifier on the published vectors that the platform's own one is tested with.
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { base64, fromBase64, hex, utf8 } from "./bytes";
import { openCheckpoint, parseCheckpoint, parseProof } from "./checkpoint";
import { leafHash, verifyConsistency, verifyInclusion } from "./merkle";
import {
  COSIGNATURE,
  canVerify,
  checkSignatures,
  cosignatures,
  parseKey,
  parseNote,
  type VerifierKey,
} from "./note";
import { Unverified } from "./unverified";

const read = (name: string) => readFileSync(`../tests/vectors/${name}`, "utf8");
const bytes = (text: string) => fromBase64(text, "vector");

async function codeOf(work: Promise<unknown>): Promise<string | null> {
  try {
    await work;
    return null;
  } catch (error) {
    if (error instanceof Unverified) return error.code;
    throw error;
  }
}

interface Inclusion {
  name: string;
  index: number;
  size: number;
  root: string;
  leaf: string;
  proof: string[];
  valid: boolean;
}

interface Consistency {
  name: string;
  size1: number;
  size2: number;
  root1: string;
  root2: string;
  proof: string[];
  valid: boolean;
}

describe("transparency-dev/merkle", () => {
  const inclusions: Inclusion[] = JSON.parse(read("merkle/inclusion.json"));
  const consistencies: Consistency[] = JSON.parse(read("merkle/consistency.json"));

  test("all vectors are there", () => {
    expect([inclusions.length, consistencies.length]).toEqual([94, 98]);
  });

  test.each(inclusions)("inclusion $name", async ({ index, size, root, leaf, proof, valid }) => {
    const work = verifyInclusion(index, size, bytes(leaf), proof.map(bytes), bytes(root));
    expect((await codeOf(work)) === null).toBe(valid);
  });

  test.each(consistencies)("consistency $name", async (row) => {
    const { size1, size2, root1, root2, proof, valid } = row;
    const work = verifyConsistency(size1, size2, proof.map(bytes), bytes(root1), bytes(root2));
    expect((await codeOf(work)) === null).toBe(valid);
  });

  test("the leaf of nothing", async () => {
    expect(hex(await leafHash(utf8("")))).toBe(
      "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    );
  });
});

describe("signed notes", () => {
  // The example in the documentation of Go's package sumdb/note.
  const key = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
  const note =
    "If you think cryptography is the answer to your problem,\n" +
    "then you don't know what your problem is.\n\n" +
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngot" +
    "pRZb6KE6RyyBwJnAM=\n";

  test("the published one verifies, and no other text under its signature", async () => {
    const by = [await parseKey(key)];
    expect(await codeOf(checkSignatures(parseNote(note), by))).toBeNull();
    const altered = parseNote(note.replace("answer", "Answer"));
    expect(await codeOf(checkSignatures(altered, by))).toBe("bad_signature");
  });

  test("a key whose id is another's is refused", async () => {
    expect(await codeOf(parseKey(key.replace("c74f", "c74e")))).toBe("malformed_key");
    expect(await codeOf(parseKey(key, COSIGNATURE))).toBe("malformed_key");
  });

  test.each([
    ["", "malformed_note"],
    [note.slice(0, -1), "malformed_note"],
    [note.replace("\n\n", "\n"), "malformed_note"],
    [note.replace("— ", "- "), "malformed_note"],
    [note.replace("If", "I\tf"), "malformed_note"],
    [note.replace("JnAM=", "JnAN="), "malformed_note"],
    [note.replace("PeterNeumann x08", "PeterNeumann y08"), "unknown_key"],
  ])("malformed %#", async (text, code) => {
    const work = async () => checkSignatures(parseNote(text), [await parseKey(key)]);
    expect(await codeOf(work())).toBe(code);
  });

  test("this engine has Ed25519", async () => expect(await canVerify()).toBe(true));
});

describe("witnesses of a public log", () => {
  const published = read("witness/checkpoint.txt");
  const keys: { log: string; witnesses: string[] } = JSON.parse(read("witness/keys.json"));
  const witnesses = (): Promise<VerifierKey[]> =>
    Promise.all(keys.witnesses.map((key) => parseKey(key, COSIGNATURE)));

  test("the log and its four witnesses verify", async () => {
    const checkpoint = await openCheckpoint(published, await parseKey(keys.log));
    expect([checkpoint.size, base64(checkpoint.root)]).toEqual([
      1_432_088_532,
      "U7WM79jrzyhGZ5/GUBTpM7NzwdyfFx61t3RovgcC4Ro=",
    ]);
    const found = await cosignatures(parseNote(published), await witnesses());
    expect(found.map(({ name }) => name)).toEqual(
      keys.witnesses.map((key) => key.split("+", 1)[0]),
    );
    expect(new Set(found.map(({ at }) => at.getTime()))).toEqual(new Set([1_779_573_024_000]));
  });

  test("a cosignature covers the text", async () => {
    const other = parseNote(published.replace("1432088532", "1432088533"));
    for (const key of await witnesses())
      expect(await codeOf(cosignatures(other, [key]))).toBe("bad_signature");
  });

  test("a cosignature covers its time", async () => {
    const note = parseNote(published);
    for (const key of await witnesses()) {
      const signatures = note.signatures.map((each) => {
        const later = each.bytes.slice();
        later[7] = (later[7] ?? 0) ^ 1;
        return { ...each, bytes: later };
      });
      expect(await codeOf(cosignatures({ ...note, signatures }, [key]))).toBe("bad_signature");
    }
  });
});

describe("checkpoints and proof files", () => {
  const root = "U7WM79jrzyhGZ5/GUBTpM7NzwdyfFx61t3RovgcC4Ro=";

  test.each([
    "",
    "log\n1\n",
    `log\n01\n${root}\n`,
    `log\n1\n${root}\nextension\n`,
    `log\n9007199254740993\n${root}\n`,
    "log\n1\nAAAA\n",
    `\n1\n${root}\n`,
  ])("a malformed checkpoint %#", (text) => {
    expect(() => parseCheckpoint(text)).toThrow(Unverified);
  });

  test("a proof file comes apart", () => {
    const proof = parseProof(`c2sp.org/tlog-proof@v1\nindex 3\n${root}\n\nnote`);
    expect([proof.index, proof.hashes.map(base64), proof.note]).toEqual([3, [root], "note"]);
  });

  test.each([
    "",
    "index 3\n\nnote",
    "c2sp.org/tlog-proof@v1\n\nnote",
    "c2sp.org/tlog-proof@v1\nindex -1\n\n",
  ])("a malformed proof file %#", (text) => expect(() => parseProof(text)).toThrow(Unverified));
});
