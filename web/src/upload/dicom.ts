// SPDX-License-Identifier: Apache-2.0
// Reads of a DICOM file (PS3.10) what tells a series: never its pixels, and nothing is kept.
// The platform judges by its own reader; this one only explains before anything is sent.

/** What a file says of the series it belongs to. Times in ms, the angle in degrees. */
export interface Header {
  /** Of whom; only compared with that of other files, never shown. */
  person: string;
  modality: string;
  study: string;
  series: string;
  seriesNumber: number | null;
  names: string[];
  stated: string;
  imageType: string[];
  scanning: string[];
  threeD: boolean;
  repetition: number | null;
  echo: number | null;
  inversion: number | null;
  flip: number | null;
  frames: number;
  hasPixels: boolean;
}

export class NotDicom extends Error {}
export class Unreadable extends Error {}
/** The header goes on beyond the bytes that were given. */
export class Cut extends Error {}

const PREAMBLE = 128;
const IMPLICIT = "1.2.840.10008.1.2";
const BIG_ENDIAN = "1.2.840.10008.1.2.2";
const DEFLATED = "1.2.840.10008.1.2.1.99";
const UNDEFINED = 0xffffffff;
const MAX_DEPTH = 16;
const MAX_VALUE = 4096;
const LONG = new Set("OB OD OF OL OV OW SQ SV UC UN UR UT UV".split(" "));
const ITEM = 0xfffee000;
const ITEM_END = 0xfffee00d;
const SEQUENCE_END = 0xfffee0dd;
const PIXELS = 0x7fe00010;

interface Element {
  tag: number;
  vr: string;
  length: number;
  at: number;
}

/** Read a header; of the file only its beginning is needed. */
export function readHeader(bytes: Uint8Array): Header {
  const walk = new Walk(bytes);
  if (bytes.length < PREAMBLE + 4 || walk.text(PREAMBLE, 4) !== "DICM") throw new NotDicom();
  const meta = walk.values(PREAMBLE + 4, true, (tag) => tag >>> 16 !== 2);
  const syntax = meta.found.get(0x00020010) ?? "";
  if (syntax === BIG_ENDIAN || syntax === DEFLATED) throw new Unreadable();
  const { found, last } = walk.values(
    meta.end,
    syntax !== IMPLICIT,
    (tag) => tag >>> 16 > 0x0028 && tag >>> 16 !== 0x7fe0,
  );
  return headerOf(found, last);
}

function headerOf(found: Map<number, string>, last: number): Header {
  const text = (tag: number) => found.get(tag) ?? "";
  const words = (tag: number) => text(tag).toUpperCase().split("\\").map(trimmed).filter(Boolean);
  const number = (tag: number) => {
    const value = Number.parseFloat(text(tag));
    return Number.isFinite(value) ? value : null;
  };
  if (!text(0x0020000e)) throw new Unreadable();
  return {
    person: JSON.stringify([text(0x00100021), text(0x00100020), text(0x00100010)]),
    modality: text(0x00080060),
    study: text(0x0020000d),
    series: text(0x0020000e),
    seriesNumber: number(0x00200011),
    names: [0x0008103e, 0x00181030, 0x00180024].map(text),
    stated: text(0x00089209).toUpperCase(),
    imageType: words(0x00080008),
    scanning: words(0x00180020),
    threeD: text(0x00180023).toUpperCase() === "3D",
    repetition: number(0x00180080),
    echo: number(0x00180081),
    inversion: number(0x00180082),
    flip: number(0x00181314),
    frames: number(0x00280008) ?? 1,
    hasPixels: last > 0x0028ffff,
  };
}

function trimmed(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: DICOM pads with NUL
  return text.replace(/[\u0000 ]+$/, "").trimStart();
}

/** Steps over elements, and over sequences of any length, within limits. */
class Walk {
  private readonly view: DataView;

  constructor(private readonly bytes: Uint8Array) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** Collect short values up to the first tag where to stop, or the end of the file. */
  values(from: number, explicit: boolean, stop: (tag: number) => boolean) {
    const found = new Map<number, string>();
    let at = from;
    let last = 0;
    while (at < this.bytes.length) {
      // Looked at first: what follows the file's own group may be written in another way.
      last = this.tag(at);
      if (stop(last) || last === PIXELS) break;
      const element = this.element(at, explicit);
      if (element.length <= MAX_VALUE && element.vr !== "SQ") {
        this.need(element.at + element.length);
        found.set(element.tag, trimmed(this.text(element.at, element.length)));
      }
      at = this.after(element, explicit, 0);
    }
    return { found, last, end: at };
  }

  text(at: number, length: number): string {
    const bytes = this.bytes.subarray(at, at + length);
    try {
      return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    } catch {
      return new TextDecoder("latin1").decode(bytes);
    }
  }

  private tag(at: number): number {
    this.need(at + 8);
    return this.view.getUint16(at, true) * 0x10000 + this.view.getUint16(at + 2, true);
  }

  private element(at: number, explicit: boolean): Element {
    const tag = this.tag(at);
    if (!explicit || tag >= ITEM) {
      return { tag, vr: "", length: this.view.getUint32(at + 4, true), at: at + 8 };
    }
    const vr = this.text(at + 4, 2);
    if (!/^[A-Z]{2}$/.test(vr)) throw new Unreadable();
    if (!LONG.has(vr)) return { tag, vr, length: this.view.getUint16(at + 6, true), at: at + 8 };
    this.need(at + 12);
    return { tag, vr, length: this.view.getUint32(at + 8, true), at: at + 12 };
  }

  private after(element: Element, explicit: boolean, depth: number): number {
    if (element.length !== UNDEFINED) return element.at + element.length;
    if (depth > MAX_DEPTH) throw new Unreadable();
    let at = element.at;
    for (;;) {
      const inner = this.element(at, explicit && element.vr !== "UN");
      if (inner.tag === SEQUENCE_END) return inner.at;
      if (inner.tag !== ITEM) throw new Unreadable();
      at =
        inner.length === UNDEFINED
          ? this.afterItem(inner.at, explicit, depth)
          : inner.at + inner.length;
    }
  }

  private afterItem(from: number, explicit: boolean, depth: number): number {
    let at = from;
    for (;;) {
      const inner = this.element(at, explicit);
      if (inner.tag === ITEM_END) return inner.at;
      at = this.after(inner, explicit, depth + 1);
    }
  }

  private need(end: number): void {
    if (end > this.bytes.length) throw new Cut();
  }
}
