// SPDX-License-Identifier: Apache-2.0
// Signed notes (C2SP signed-note v1) and cosignatures of witnesses (C2SP tlog-cosignature v1).
import { type Bytes, fromBase64, hex, sha256, utf8 } from "./bytes";
import { Unverified } from "./unverified";

export const ED25519 = 0x01;
export const COSIGNATURE = 0x04;

const KEY_ID_BYTES = 4;
const PUBLIC_KEY_BYTES = 32;
const TIME_BYTES = 8;
const MAX_NOTE_CHARACTERS = 1_000_000;
const DASH = "— ";

/** A public key that is trusted to sign notes, or as a witness. */
export interface VerifierKey {
  name: string;
  type: number;
  id: Bytes;
  bytes: Bytes;
}

/** A signature line: who says to have signed, and the bytes after the key id. */
export interface Signature {
  name: string;
  id: Bytes;
  bytes: Bytes;
}

export interface Note {
  /** What is signed, its final newline included. */
  text: string;
  signatures: Signature[];
}

/** Read `name+hex key id+base64(type || key)`; throws `malformed_key`. */
export async function parseKey(text: string, type = ED25519): Promise<VerifierKey> {
  const [name = "", id = "", ...rest] = text.split("+"); // base64 may have a "+", a name has none
  const raw = fromBase64(rest.join("+"), "malformed_key");
  const bytes = raw.slice(1);
  if (!isKeyName(name) || raw[0] !== type || bytes.length !== PUBLIC_KEY_BYTES)
    throw new Unverified("malformed_key", "this is no verifier key, or one of another type");
  const computed = (await sha256(utf8(`${name}\n`), raw)).slice(0, KEY_ID_BYTES);
  if (hex(computed) !== id)
    throw new Unverified("malformed_key", "the verifier key's id does not belong to it");
  return { name, type, id: computed, bytes };
}

/** Split a note into its text and its signatures, which are not verified; throws `malformed_note`. */
export function parseNote(note: string): Note {
  const end = note.lastIndexOf("\n\n");
  if (note.length > MAX_NOTE_CHARACTERS || end < 0 || !note.endsWith("\n") || hasControl(note))
    throw malformed("this is not a signed note");
  const lines = note.slice(end + 2, -1).split("\n");
  return { text: note.slice(0, end + 1), signatures: lines.map(parseSignature) };
}

/**
 * Check the signatures of a note by the given keys, and ignore those of others.
 *
 * Throws `bad_signature`, and `unknown_key` when none of the keys has signed.
 */
export async function checkSignatures(note: Note, keys: readonly VerifierKey[]): Promise<void> {
  const known = note.signatures.flatMap((signature) => withKey(signature, keys));
  if (known.length === 0) throw new Unverified("unknown_key", "no known key signed this note");
  for (const [signature, key] of known) {
    if (!(await signs(key, signature.bytes, utf8(note.text))))
      throw new Unverified("bad_signature", "the note's signature does not verify");
  }
}

/** A cosignature that verifies: which witness, and when it says that it signed. */
export interface Cosignature {
  name: string;
  at: Date;
}

/** Check the cosignatures of a note by the given witnesses; throws `bad_signature`. */
export async function cosignatures(
  note: Note,
  witnesses: readonly VerifierKey[],
): Promise<Cosignature[]> {
  const known = note.signatures.flatMap((signature) => withKey(signature, witnesses));
  return Promise.all(known.map(([signature, key]) => cosignature(note.text, signature, key)));
}

async function cosignature(text: string, signature: Signature, key: VerifierKey) {
  const seconds = timeOf(signature);
  const message = utf8(`cosignature/v1\ntime ${seconds}\n${text}`);
  if (seconds === null || !(await signs(key, signature.bytes.slice(TIME_BYTES), message)))
    throw new Unverified("bad_signature", "a cosignature does not verify");
  return { name: key.name, at: new Date(Number(seconds) * 1000) };
}

/** When a cosignature says that it was made; null where it is none. */
export function timeOf({ bytes }: Signature): bigint | null {
  if (bytes.length !== TIME_BYTES + 64) return null;
  const seconds = new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0);
  return seconds < 2n ** 63n ? seconds : null;
}

/** Whether this browser can check signatures; else whoever asks must be told so. */
export async function canVerify(): Promise<boolean> {
  try {
    await publicKey(new Uint8Array(PUBLIC_KEY_BYTES));
    return true;
  } catch {
    return false; // an old browser, or a page that came without TLS
  }
}

function withKey(signature: Signature, keys: readonly VerifierKey[]): [Signature, VerifierKey][] {
  const key = keys.find(
    (each) => each.name === signature.name && hex(each.id) === hex(signature.id),
  );
  return key ? [[signature, key]] : [];
}

async function signs(key: VerifierKey, signature: Bytes, message: Bytes): Promise<boolean> {
  return crypto.subtle.verify("Ed25519", await publicKey(key.bytes), signature, message);
}

function publicKey(bytes: Bytes): Promise<CryptoKey> {
  return crypto.subtle.importKey("raw", bytes, "Ed25519", false, ["verify"]);
}

function parseSignature(line: string): Signature {
  const space = line.indexOf(" ", DASH.length);
  const name = line.slice(DASH.length, space);
  if (!line.startsWith(DASH) || space < 0 || !isKeyName(name))
    throw malformed("a signature line of the note is malformed");
  const raw = fromBase64(line.slice(space + 1), "malformed_note");
  if (raw.length <= KEY_ID_BYTES) throw malformed("a signature of the note is too short");
  return { name, id: raw.slice(0, KEY_ID_BYTES), bytes: raw.slice(KEY_ID_BYTES) };
}

const malformed = (message: string) => new Unverified("malformed_note", message);

function isKeyName(name: string): boolean {
  return name !== "" && !/[+\s]/u.test(name) && !hasControl(name);
}

function hasControl(text: string): boolean {
  return [...text].some((character) => character < " " && character !== "\n");
}
