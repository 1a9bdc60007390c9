// SPDX-License-Identifier: Apache-2.0
// Checkpoints (C2SP tlog-checkpoint) and proof files (C2SP tlog-proof).
import { type Bytes, fromBase64 } from "./bytes";
import { checkSignatures, parseNote, type VerifierKey } from "./note";
import { Unverified } from "./unverified";

const MAGIC = "c2sp.org/tlog-proof@v1";
const MAX_HASHES = 63;

/** Size and root of a log at one moment. */
export interface Checkpoint {
  origin: string;
  size: number;
  root: Bytes;
}

/** An entry's inclusion proof, and the signed checkpoint that it leads to. */
export interface EntryProof {
  index: number;
  hashes: Bytes[];
  note: string;
}

/** Verify and read a checkpoint; throws the codes of notes, `malformed_checkpoint`, `other_origin`. */
export async function openCheckpoint(note: string, key: VerifierKey): Promise<Checkpoint> {
  const parsed = parseNote(note);
  await checkSignatures(parsed, [key]);
  const checkpoint = parseCheckpoint(parsed.text);
  if (checkpoint.origin !== key.name)
    throw new Unverified("other_origin", "the checkpoint is of another log");
  return checkpoint;
}

/** Read a checkpoint's text, whose signature the caller verifies; throws `malformed_checkpoint`. */
export function parseCheckpoint(text: string): Checkpoint {
  const code = "malformed_checkpoint";
  const [origin, size, root, end, ...more] = text.split("\n");
  if (!origin || size === undefined || root === undefined || end !== "" || more.length > 0)
    throw new Unverified(code, "a checkpoint has exactly three lines");
  const bytes = fromBase64(root, code);
  if (bytes.length !== 32) throw new Unverified(code, "the root is not 32 bytes long");
  return { origin, size: decimal(size, code), root: bytes };
}

/** Read a proof file, verifying nothing yet; throws `malformed_proof`. */
export function parseProof(text: string): EntryProof {
  const code = "malformed_proof";
  const blank = text.indexOf("\n\n");
  const [magic, ...lines] = text.slice(0, Math.max(blank, 0)).split("\n");
  if (magic !== MAGIC) throw new Unverified(code, "this is not a log proof");
  if (lines[0]?.startsWith("extra ")) lines.shift(); // nothing vouches for it
  const index = lines.shift();
  if (!index?.startsWith("index ") || lines.length > MAX_HASHES)
    throw new Unverified(code, "the proof has no index or too many hashes");
  return {
    index: decimal(index.slice("index ".length), code),
    hashes: lines.map((line) => fromBase64(line, code)),
    note: text.slice(blank + 2),
  };
}

function decimal(text: string, code: string): number {
  const value = Number(text);
  if (!/^(0|[1-9][0-9]*)$/.test(text) || !Number.isSafeInteger(value))
    throw new Unverified(code, "a decimal number was expected");
  return value;
}
