// SPDX-License-Identifier: Apache-2.0
// A result with its proof, on the vector that the platform's own verifier is tested with.
import { readFileSync } from "node:fs";
import { beforeAll, describe, expect, test } from "vitest";
import { fromBase64 } from "./bytes";
import { checkEntry, checkGrowth, checkKey, checkWitnesses, type Finding } from "./check";
import { openCheckpoint } from "./checkpoint";
import { byRole, Changed, compare, type Document } from "./covered";
import { openEvent, parseEntry, tampered } from "./entry";
import { leafHash, nodeHash } from "./merkle";
import { parseKey, type VerifierKey } from "./note";
import { checkResult, type ResultProof } from "./result";
import { forget, recall, remember } from "./seen";

type Result = Document & { id: string; proof: ResultProof };
interface Vector {
  key: string;
  proven: string[];
  unproven: string[];
  result: Result;
}

const vector: Vector = JSON.parse(readFileSync("../tests/vectors/result/complete.json", "utf8"));
let key: VerifierKey;
beforeAll(async () => {
  key = await parseKey(vector.key);
});

const copy = (): Result => structuredClone(vector.result);
const failures = (findings: Finding[]) =>
  findings.filter(({ state }) => state === "failed").map(({ step, code }) => [step, code]);

async function events(): Promise<{ type: string; data: Document }[]> {
  return Promise.all(
    vector.result.proof.events.map(async ({ type, entry, opening }) => {
      const key = opening === null ? null : fromBase64(opening, "vector");
      const said = await openEvent(parseEntry(fromBase64(entry, "vector")), key);
      return { type, data: said["data"] as Document };
    }),
  );
}

function leavesOf(value: unknown, path: string[] = []): string[][] {
  if (value === null || value === undefined) return [];
  if (typeof value !== "object") return [path];
  return Object.entries(value).flatMap(([name, each]) => leavesOf(each, [...path, name]));
}

function changed(path: string[], to: (value: unknown) => unknown): Result {
  const altered = copy();
  const place = path.slice(0, -1).reduce((at, name) => at[name] as Document, altered as Document);
  const last = path.at(-1) ?? "";
  place[last] = to(place[last]);
  return altered;
}

function other(value: unknown): unknown {
  if (typeof value === "boolean") return !value;
  return typeof value === "number" ? value * 1.0000001 + 1e-9 : `${value}x`;
}

describe("a result with its proof", () => {
  test("passes every step", async () => {
    const findings = await checkResult(vector.result, key);
    expect(findings.map(({ step, state }) => `${step} ${state}`)).toEqual([
      "signature passed",
      ...Array(vector.result.proof.events.length).fill(["path passed", "event passed"]).flat(),
      "values passed",
    ]);
  });

  test("what is proven is what the platform's verifier says", async () => {
    const { proven, unproven } = compare(vector.result, byRole(await events()));
    expect(proven.sort()).toEqual(vector.proven.sort());
    expect(unproven).toEqual([]);
  });

  test("every covered value that is changed is found", async () => {
    const machinery = /^(proof\.(status|pending|checkpoint|events)\b|id$|imaging_id$)/;
    const covered = leavesOf(vector.result).filter(
      ([first = "", ...rest]) =>
        !vector.unproven.includes(first) && !machinery.test([first, ...rest].join(".")),
    );
    expect(covered.length).toBeGreaterThan(130);
    const roles = byRole(await events());
    for (const path of covered) {
      for (const change of [other, () => null]) {
        let found: unknown;
        try {
          compare(changed(path, change), roles);
        } catch (error) {
          found = error;
        }
        expect(found).toBeInstanceOf(Changed);
        expect((found as Changed).path).toBe(path.join("."));
      }
    }
  });

  test.each<[string, (result: Result) => unknown, [string, string]]>([
    [
      "another value",
      (r) => Object.assign(r, { total_brain_volume: 1 }),
      ["values", "changed_value"],
    ],
    [
      "another note",
      (r) => {
        r.proof.checkpoint = r.proof.checkpoint?.replace(/\n[0-9]+\n/, "\n7\n") ?? null;
      },
      ["signature", "bad_signature"],
    ],
    ["another scan", (r) => Object.assign(r, { id: "other" }), ["event", "other_scan"]],
    ["a hash too few", (r) => void r.proof.events[0]?.proof.pop(), ["path", "proof_length"]],
    [
      "another place",
      (r) => {
        const [first] = r.proof.events;
        if (first) first.sequence += 1;
      },
      ["path", "root_mismatch"],
    ],
    [
      "another opening",
      (r) => {
        const [first, second] = r.proof.events;
        if (first && second) first.opening = second.opening;
      },
      ["event", "wrong_entry_key"],
    ],
    [
      "no opening",
      (r) => {
        const [first] = r.proof.events;
        if (first) first.opening = null;
      },
      ["event", "entry_sealed"],
    ],
    [
      "another type",
      (r) => {
        const [first] = r.proof.events;
        if (first) first.type = "memoryguard.scan.rejected.v1";
      },
      ["event", "other_type"],
    ],
  ])("%s does not pass", async (_, change, failure) => {
    const altered = copy();
    change(altered);
    expect(failures(await checkResult(altered, key))).toContainEqual(failure);
  });

  test("a pending proof is no proof of everything", async () => {
    const altered = copy();
    const last = altered.proof.events.pop();
    altered.proof.pending = [{ type: last?.type ?? "", reason: "not_signed_yet" }];
    const findings = await checkResult(altered, key);
    expect(findings.at(-1)).toMatchObject({ step: "values", state: "noted", text: "pending" });
  });
});

describe("an entry", () => {
  test("any altered byte fails", async () => {
    const { checkpoint: note, events } = vector.result.proof;
    const [first] = events;
    if (!first || !note) throw new Error("the vector is empty");
    const checkpoint = await openCheckpoint(note, key);
    const leaf = fromBase64(first.entry, "vector");
    const proof = {
      index: first.sequence,
      hashes: first.proof.map((each) => fromBase64(each, "vector")),
    };
    expect(failures((await checkEntry(leaf, proof, checkpoint))[0])).toEqual([]);
    for (let at = 0; at < leaf.length; at += 7) {
      const [findings, entry] = await checkEntry(tampered(leaf, at), proof, checkpoint);
      expect(failures(findings)).toContainEqual(["path", "root_mismatch"]);
      expect(entry).toBeNull();
    }
  });
});

describe("what a browser remembers", () => {
  test("another key is refused, the first is only noted", async () => {
    expect((await checkKey("a", null)).state).toBe("noted");
    expect((await checkKey("a", { key: "a", note: "" })).state).toBe("passed");
    expect((await checkKey("b", { key: "a", note: "" })).code).toBe("other_key");
  });

  test("a log grows, and is never rewritten", async () => {
    const [a, b, c] = await Promise.all(
      ["a", "b", "c"].map((t) => leafHash(new TextEncoder().encode(t))),
    );
    if (!a || !b || !c) throw new Error("no hashes");
    const two = { origin: "log", size: 2, root: await nodeHash(a, b) };
    const three = { origin: "log", size: 3, root: await nodeHash(two.root, c) };
    const growth = async () => [c];
    expect((await checkGrowth(three, null, growth)).state).toBe("noted");
    expect((await checkGrowth(three, two, growth)).state).toBe("passed");
    expect((await checkGrowth(two, three, growth)).state).toBe("passed"); // an older answer
    expect((await checkGrowth(three, { ...two, root: a }, growth)).code).toBe("root_mismatch");
    expect((await checkGrowth(three, { ...three, root: a }, growth)).code).toBe("root_mismatch");
    expect((await checkGrowth(three, two, async () => [])).code).toBe("proof_length");
  });

  test("it comes back, and what is not ours does not", () => {
    remember(localStorage, { key: "k", note: "n" });
    expect(recall(localStorage)).toEqual({ key: "k", note: "n" });
    forget(localStorage);
    expect(recall(localStorage)).toBeNull();
    localStorage.setItem("memoryguard.log.seen", "{");
    expect(recall(localStorage)).toBeNull();
  });

  test("a note without witnesses says so", async () => {
    const finding = await checkWitnesses(vector.result.proof.checkpoint ?? "", []);
    expect([finding.state, finding.text]).toEqual(["noted", "none"]);
  });
});
