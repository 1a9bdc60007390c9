// SPDX-License-Identifier: Apache-2.0
// Files as a browser gives them, and those within zips: each read only as far as it is asked.

/** Something that can be looked at and sent. */
export interface Source {
  name: string;
  bytes: number;
  /** Its first bytes. */
  head(bytes: number): Promise<Uint8Array>;
  content(): Promise<Blob>;
}

export class BadZip extends Error {}

const END = 0x06054b50;
const ENTRY = 0x02014b50;
const LOCAL = 0x04034b50;
const END_BYTES = 22;
const MAX_COMMENT = 0xffff;
const MAX_DIRECTORY = 8 << 20;
const ENCRYPTED = 1;
const STORED = 0;
const DEFLATE = 8;
const ZIP64 = 0xffffffff;

export function fromFile(file: File, path?: string): Source {
  return {
    name: path || file.webkitRelativePath || file.name,
    bytes: file.size,
    head: async (bytes) => new Uint8Array(await file.slice(0, bytes).arrayBuffer()),
    content: async () => file,
  };
}

export function isZip(head: Uint8Array): boolean {
  return head[0] === 0x50 && head[1] === 0x4b && (head[2] === 3 || head[2] === 5);
}

/** The files within a zip. */
export async function entriesOf(zip: Source): Promise<Source[]> {
  const blob = await zip.content();
  const directory = await directoryOf(blob);
  const view = new DataView(directory);
  const found: Source[] = [];
  for (let at = 0; at + 46 <= view.byteLength && view.getUint32(at, true) === ENTRY; ) {
    const [name, extra, comment] = [28, 30, 32].map((place) => view.getUint16(at + place, true));
    const entry = entryAt(view, at, name ?? 0);
    if (!entry.name.endsWith("/")) found.push(sourceOf(blob, entry, zip.name));
    at += 46 + (name ?? 0) + (extra ?? 0) + (comment ?? 0);
  }
  return found;
}

interface Entry {
  name: string;
  flags: number;
  method: number;
  packed: number;
  bytes: number;
  offset: number;
}

async function directoryOf(blob: Blob): Promise<ArrayBuffer> {
  const tail = Math.max(0, blob.size - END_BYTES - MAX_COMMENT);
  const view = new DataView(await blob.slice(tail).arrayBuffer());
  for (let at = view.byteLength - END_BYTES; at >= 0; at--) {
    if (view.getUint32(at, true) !== END) continue;
    const [bytes, offset] = [view.getUint32(at + 12, true), view.getUint32(at + 16, true)];
    if (offset === ZIP64 || bytes > MAX_DIRECTORY || offset + bytes > tail + at) break;
    return blob.slice(offset, offset + bytes).arrayBuffer();
  }
  throw new BadZip();
}

function entryAt(view: DataView, at: number, nameBytes: number): Entry {
  const name = new Uint8Array(view.buffer, view.byteOffset + at + 46, nameBytes);
  const entry = {
    name: new TextDecoder().decode(name),
    flags: view.getUint16(at + 8, true),
    method: view.getUint16(at + 10, true),
    packed: view.getUint32(at + 20, true),
    bytes: view.getUint32(at + 24, true),
    offset: view.getUint32(at + 42, true),
  };
  const readable = entry.method === STORED || entry.method === DEFLATE;
  if (!readable || entry.flags & ENCRYPTED || entry.offset === ZIP64) throw new BadZip();
  return entry;
}

function sourceOf(zip: Blob, entry: Entry, within: string): Source {
  const plain = async () => {
    const local = new DataView(await zip.slice(entry.offset, entry.offset + 30).arrayBuffer());
    if (local.byteLength < 30 || local.getUint32(0, true) !== LOCAL) throw new BadZip();
    const from = entry.offset + 30 + local.getUint16(26, true) + local.getUint16(28, true);
    const stream = zip.slice(from, from + entry.packed).stream();
    if (entry.method === STORED) return stream;
    return stream.pipeThrough(new DecompressionStream("deflate-raw"));
  };
  const read = async (bytes: number) => beginning(await plain(), Math.min(bytes, entry.bytes));
  return {
    name: `${within}/${entry.name}`,
    bytes: entry.bytes,
    head: read,
    content: async () => new Blob([await read(entry.bytes)]),
  };
}

/** No more is inflated than was promised. */
async function beginning(
  stream: ReadableStream<Uint8Array>,
  bytes: number,
): Promise<Uint8Array<ArrayBuffer>> {
  const out = new Uint8Array(bytes);
  const reader = stream.getReader();
  let filled = 0;
  while (filled < bytes) {
    const { done, value } = await reader.read();
    if (done) break;
    out.set(value.subarray(0, bytes - filled), filled);
    filled += value.length;
  }
  await reader.cancel().catch(() => undefined);
  return out.subarray(0, Math.min(filled, bytes));
}
