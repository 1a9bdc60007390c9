// SPDX-License-Identifier: Apache-2.0
// The check of an entry, step by step: what passed, what failed, and what could not be said.
import { type Bytes, hex } from "./bytes";
import { type Checkpoint, type EntryProof, openCheckpoint } from "./checkpoint";
import { type Entry, parseEntry } from "./entry";
import { leafHash, type Step as PathStep, verifyConsistency, verifyInclusion } from "./merkle";
import { canVerify, cosignatures, parseNote, timeOf, type VerifierKey } from "./note";
import { Unverified } from "./unverified";

export type StepName =
  | "key"
  | "signature"
  | "witnesses"
  | "growth"
  | "leaf"
  | "path"
  | "event"
  | "values";

/** `noted`: nothing is wrong, and nothing is proved. `unable`: this browser cannot check it. */
export type State = "passed" | "failed" | "noted" | "unable";

export interface Finding {
  step: StepName;
  state: State;
  /** Why it failed. */
  code?: string;
  /** Which of the texts for this step and state says what was found. */
  text?: string;
  facts: Record<string, string>;
  path?: { leaf: Bytes; steps: PathStep[]; index: number; size: number };
}

/** What this browser saw at its last visit. */
export interface Seen {
  key: string;
  note: string;
}

/** Where the hashes between two sizes come from. */
export type Growth = (from: number, to: number) => Promise<Bytes[]>;

/** Do a step; what does not verify is a finding, anything else is an error. */
export async function step(
  name: StepName,
  work: () => Promise<Omit<Finding, "step" | "state"> & { state?: State }>,
): Promise<Finding> {
  try {
    return { step: name, state: "passed", ...(await work()) };
  } catch (error) {
    if (!(error instanceof Unverified)) throw error;
    return { step: name, state: "failed", code: error.code, facts: {} };
  }
}

/** Check that the key is the one that this browser knows; the first one it sees, it has to trust. */
export function checkKey(key: string, seen: Seen | null): Promise<Finding> {
  return step("key", async () => {
    if (seen && seen.key !== key)
      throw new Unverified("other_key", "the log is signed with another key than before");
    return seen ? { facts: { key } } : { state: "noted", facts: { key } };
  });
}

/** Check who signed a checkpoint, and read it. */
export async function checkSignature(
  note: string,
  key: VerifierKey,
): Promise<[Finding, Checkpoint | null]> {
  if (!(await canVerify())) return [{ step: "signature", state: "unable", facts: {} }, null];
  let checkpoint: Checkpoint | null = null;
  const finding = await step("signature", async () => {
    checkpoint = await openCheckpoint(note, key);
    return { facts: { origin: checkpoint.origin, size: String(checkpoint.size) } };
  });
  return [finding, checkpoint];
}

/** Check what witnesses have signed; those whose keys nobody gave are named, and not believed. */
export function checkWitnesses(note: string, witnesses: readonly VerifierKey[]): Promise<Finding> {
  return step("witnesses", async () => {
    const parsed = parseNote(note);
    const verified = (await cosignatures(parsed, witnesses)).map(({ name }) => name);
    const claimed = parsed.signatures.filter((each) => timeOf(each) !== null);
    const unknown = claimed.map(({ name }) => name).filter((name) => !verified.includes(name));
    const facts = { names: verified.join(", "), unknown: unknown.join(", ") };
    if (verified.length > 0) return { facts };
    return { state: "noted", text: unknown.length > 0 ? "unknown" : "none", facts };
  });
}

/** Check that the log of the last visit is the beginning of this one, or this one of that. */
export function checkGrowth(
  now: Checkpoint,
  seen: Checkpoint | null,
  growth: Growth,
): Promise<Finding> {
  return step("growth", async () => {
    if (seen === null) return { state: "noted", facts: { size: String(now.size) } };
    const [older, newer] = seen.size <= now.size ? [seen, now] : [now, seen];
    const hashes = older.size === newer.size ? [] : await growth(older.size, newer.size);
    await verifyConsistency(older.size, newer.size, hashes, older.root, newer.root);
    return { facts: { from: String(seen.size), to: String(now.size) } };
  });
}

/** Check that these very bytes are in the log: their own form, and the path to the root. */
export async function checkEntry(
  leaf: Bytes,
  { index, hashes }: Pick<EntryProof, "index" | "hashes">,
  checkpoint: Checkpoint,
): Promise<[Finding[], Entry | null]> {
  let entry: Entry | null = null;
  const hash = await leafHash(leaf);
  const form = await step("leaf", async () => {
    entry = parseEntry(leaf);
    return { facts: { hash: hex(hash), type: entry.header.type } };
  });
  const { size, root } = checkpoint;
  const path = await step("path", async () => {
    const steps = await verifyInclusion(index, size, hash, hashes, root);
    return {
      facts: { index: String(index), size: String(size), root: hex(root) },
      path: { leaf: hash, steps, index, size },
    };
  });
  return [[form, path], path.state === "passed" ? entry : null];
}
