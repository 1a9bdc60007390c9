// SPDX-License-Identifier: Apache-2.0
// A result that carries its proof: are its numbers those of events in the log?
//
// This shows that the platform has said these numbers of this scan. It does not show that they are
// right, nor that nothing newer has been said since the checkpoint.
import { fromBase64 } from "./bytes";
import { checkEntry, checkSignature, type Finding, step } from "./check";
import type { Checkpoint } from "./checkpoint";
import { byRole, Changed, compare, type Document } from "./covered";
import { openEvent } from "./entry";
import type { VerifierKey } from "./note";
import { Unverified } from "./unverified";

/** The block `proof` of an analysis. */
export interface ResultProof {
  status: "complete" | "pending";
  pending: { type: string; reason: string }[];
  checkpoint: string | null;
  events: ProofEvent[];
}

interface ProofEvent {
  type: string;
  sequence: number;
  entry: string;
  opening: string | null;
  proof: string[];
}

/** Check a result against its own proof, step by step; it ends at the first step that fails. */
export async function checkResult(
  result: Document & { id: string; proof: ResultProof },
  key: VerifierKey,
): Promise<Finding[]> {
  const { checkpoint: note, events, pending } = result.proof;
  if (note === null) return [{ step: "signature", state: "noted", text: "none", facts: {} }];
  const [signed, checkpoint] = await checkSignature(note, key);
  if (!checkpoint) return [signed];
  const findings = [signed];
  const opened: { type: string; data: Document }[] = [];
  for (const event of events) {
    const [found, data] = await checkEvent(event, checkpoint, result.id);
    findings.push(...found);
    if (data) opened.push({ type: event.type, data });
  }
  if (findings.every(({ state }) => state === "passed"))
    findings.push(await checkValues(result, opened, pending.length));
  return findings;
}

async function checkEvent(
  { type, sequence, entry, opening, proof }: ProofEvent,
  checkpoint: Checkpoint,
  scanId: string,
): Promise<[Finding[], Document | null]> {
  const code = "malformed_result";
  const leaf = fromBase64(entry, code);
  const hashes = proof.map((hash) => fromBase64(hash, code));
  const [[form, path], proven] = await checkEntry(leaf, { index: sequence, hashes }, checkpoint);
  if (!proven) return [[form, path].filter((each) => each !== undefined), null];
  let data: Document | null = null;
  const event = await step("event", async () => {
    const said = await openEvent(proven, opening === null ? null : fromBase64(opening, code));
    if (said["type"] !== type || proven.header.type !== type)
      throw new Unverified("other_type", "the entry is of another type");
    data = said["data"] as Document;
    if (data["scan_id"] !== scanId)
      throw new Unverified("other_scan", "the event is of another scan");
    return { facts: { type } };
  });
  const about = path ? [{ ...path, facts: { ...path.facts, type } }] : [];
  return [[...about, event], data];
}

function checkValues(
  result: Document,
  events: { type: string; data: Document }[],
  pending: number,
): Promise<Finding> {
  let path = "";
  return step("values", async () => {
    try {
      const { proven, unproven } = compare(result, byRole(events));
      const facts = { proven: String(proven.length), unproven: unproven.join(", ") };
      return pending > 0 ? { state: "noted", text: "pending", facts } : { facts };
    } catch (error) {
      if (error instanceof Changed) path = error.path;
      throw error;
    }
  }).then((finding) => (path ? { ...finding, facts: { path } } : finding));
}
