// SPDX-License-Identifier: Apache-2.0
// One entry of the log: a header, all that it is found by, and the event, plain or sealed.
import { type Bytes, joined, same, sha256, utf8 } from "./bytes";
import { Unverified } from "./unverified";

const MAGIC = "memoryguard-log-entry/1 ";
const COMMITMENT = utf8("memoryguard log entry key\0");
const COMMITMENT_BYTES = 32;
const NONCE = new Uint8Array(12); // every key seals one payload
const NEWLINE = 10;

export interface Header {
  action: string;
  actor?: string;
  event_id: string;
  form: "plain" | "sealed" | "absent";
  logged_us: number;
  occurred_us?: number;
  outcome: "success" | "denied" | "failure";
  purpose?: string;
  scan_id?: string;
  source: string;
  subject_id: string;
  type: string;
}

export interface Entry {
  header: Header;
  payload: Bytes;
}

/**
 * Read a leaf: the bytes that the tree covers; throws `malformed_entry`.
 *
 * What makes the header canonical is left to the platform's own verifier: every byte of it is
 * covered by the leaf's hash in any case.
 */
export function parseEntry(leaf: Bytes): Entry {
  const end = leaf.indexOf(NEWLINE);
  const text = new TextDecoder().decode(leaf.slice(0, Math.max(end, 0)));
  if (!text.startsWith(MAGIC)) throw malformed();
  try {
    const header = JSON.parse(text.slice(MAGIC.length));
    if (typeof header?.type !== "string" || typeof header.form !== "string") throw malformed();
    return { header, payload: leaf.slice(end + 1) };
  } catch {
    throw malformed();
  }
}

/** Open an entry's event; throws `wrong_entry_key`, and `entry_sealed` where nothing opens it. */
export async function openEvent(
  { header, payload }: Entry,
  key: Bytes | null,
): Promise<Record<string, unknown>> {
  const text = new TextDecoder();
  if (header.form === "plain") return JSON.parse(text.decode(payload));
  if (header.form !== "sealed" || key === null)
    throw new Unverified("entry_sealed", "nothing opens this entry");
  if (!same(await sha256(COMMITMENT, key), payload.slice(0, COMMITMENT_BYTES))) throw wrongKey();
  return JSON.parse(text.decode(await decrypted(key, payload.slice(COMMITMENT_BYTES))));
}

/** Give a copy with one bit of a byte turned, to show that it does not pass. */
export function tampered(leaf: Bytes, at: number): Bytes {
  const copy = joined(leaf);
  copy[at] = (copy[at] ?? 0) ^ 1;
  return copy;
}

async function decrypted(key: Bytes, sealed: Bytes): Promise<ArrayBuffer> {
  try {
    const secret = await crypto.subtle.importKey("raw", key, "AES-GCM", false, ["decrypt"]);
    return await crypto.subtle.decrypt({ name: "AES-GCM", iv: NONCE }, secret, sealed);
  } catch {
    throw wrongKey();
  }
}

const malformed = () => new Unverified("malformed_entry", "this is not an entry of a log");
const wrongKey = () => new Unverified("wrong_entry_key", "the entry is sealed under another key");
