// SPDX-License-Identifier: Apache-2.0
// Looks at files and sorts them into series, so that the one to measure can be chosen.
import { type Because, type Judgement, judge, type Looks } from "./contrast";
import { Cut, type Header, NotDicom, readHeader } from "./dicom";
import { entriesOf, isZip, type Source } from "./source";

export type Skip = "not_dicom" | "nifti" | "unreadable" | "no_image" | "listing";

/** One file, and what was read of it. */
export type Looked =
  | { source: Source; header: Header }
  | { source: Source; skip: Skip }
  | { source: Source; closed: true };

export interface Series {
  key: string;
  description: string;
  number: number | null;
  images: number;
  bytes: number;
  sources: Source[];
  looks: Looks;
  because: Because | "few_images" | "closed";
  rank: number;
}

export interface Study {
  key: string;
  series: Series[];
  /** The one that the platform would measure, as far as headers tell. */
  best: string | null;
}

export interface Found {
  studies: Study[];
  skipped: { name: string; skip: Skip }[];
  people: number;
}

export const FEWEST_IMAGES = 20;
const HEADS = [64 << 10, 1 << 20] as const;
const AT_ONCE = 8;
const CLOSED: Judgement = { looks: "unknown", because: "silent", rank: 9 };

/** Read the header of every file, and of every file in a zip. */
export async function look(
  sources: Source[],
  told: (done: number, total: number) => void,
): Promise<Looked[]> {
  const waiting = [...sources];
  const found: Looked[] = [];
  let total = sources.length;
  const worker = async () => {
    for (let source = waiting.shift(); source; source = waiting.shift()) {
      const looked = await lookAt(source);
      if (Array.isArray(looked)) {
        total += looked.length - 1;
        waiting.push(...looked);
      } else found.push(looked);
      told(found.length, total);
    }
  };
  // A zip is opened first: until then there may be nothing for the others to do.
  const first = waiting[0];
  if (waiting.length === 1 && first) {
    const looked = await lookAt(waiting.shift() ?? first);
    if (!Array.isArray(looked)) return [looked];
    waiting.push(...looked);
    total = looked.length;
  }
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  return found;
}

async function lookAt(source: Source): Promise<Looked | Source[]> {
  if (/\.nii(\.gz)?$/i.test(source.name)) return { source, skip: "nifti" };
  if (/(^|\/)DICOMDIR$/i.test(source.name)) return { source, skip: "listing" };
  try {
    const head = await source.head(HEADS[0]);
    if (isZip(head))
      return await entriesOf(source).catch(() => ({ source, closed: true }) as const);
    return asImage(source, await headerOf(source, head));
  } catch (error) {
    return { source, skip: error instanceof NotDicom ? "not_dicom" : "unreadable" };
  }
}

async function headerOf(source: Source, head: Uint8Array): Promise<Header> {
  try {
    return readHeader(head);
  } catch (error) {
    if (!(error instanceof Cut) || source.bytes <= HEADS[0]) throw error;
    return readHeader(await source.head(HEADS[1]));
  }
}

function asImage(source: Source, header: Header): Looked {
  return header.hasPixels ? { source, header } : { source, skip: "no_image" };
}

/** Sort what was looked at into studies and series. */
export function sorted(looked: Looked[]): Found {
  const read = looked.flatMap((one) => ("header" in one ? [one] : []));
  const studies = grouped(read, ({ header }) => header.study);
  const closed = looked.flatMap((one) => ("closed" in one ? [closedStudy(one.source)] : []));
  return {
    studies: [...[...studies].map(([key, files]) => studyOf(key, files)), ...closed],
    skipped: looked.flatMap((one) =>
      "skip" in one ? [{ name: one.source.name, skip: one.skip }] : [],
    ),
    people: new Set(read.map(({ header }) => header.person)).size,
  };
}

type Read = { source: Source; header: Header };

function grouped(files: Read[], by: (file: Read) => string): Map<string, Read[]> {
  const groups = new Map<string, Read[]>();
  for (const file of files) {
    const group = groups.get(by(file));
    if (group) group.push(file);
    else groups.set(by(file), [file]);
  }
  return groups;
}

function studyOf(key: string, files: Read[]): Study {
  const groups = [...grouped(files, ({ header }) => header.series)];
  const series = groups
    .map(([uid, images]) => seriesOf(uid, images))
    .sort((a, b) => a.rank - b.rank || b.images - a.images);
  return { key, series, best: bestOf(series)?.key ?? null };
}

function bestOf(series: Series[]): Series | undefined {
  const t1 = series.find((one) => one.looks === "t1");
  // What does not say how it was weighted is taken where there is nothing else.
  return t1 ?? (series.length === 1 && series[0]?.looks === "unknown" ? series[0] : undefined);
}

function seriesOf(key: string, files: Read[]): Series {
  const kept = files.filter(({ header }) => !header.imageType.includes("LOCALIZER"));
  const { header } = (kept[0] ?? files[0]) as Read;
  const images = files.reduce((sum, file) => sum + file.header.frames, 0);
  const { looks, because, rank } = judge(header);
  const few = looks !== "other" && images < FEWEST_IMAGES;
  return {
    key,
    description: header.names.find((name) => name) ?? "",
    number: header.seriesNumber,
    images,
    bytes: files.reduce((sum, file) => sum + file.source.bytes, 0),
    sources: files.map(({ source }) => source),
    looks: few ? "other" : looks,
    because: few ? "few_images" : because,
    rank: few ? CLOSED.rank : rank,
  };
}

/** A zip that cannot be looked into is sent as it is, and judged there. */
function closedStudy(source: Source): Study {
  const series: Series = {
    key: source.name,
    description: source.name,
    number: null,
    images: 0,
    bytes: source.bytes,
    sources: [source],
    ...CLOSED,
    because: "closed",
  };
  return { key: source.name, series: [series], best: series.key };
}
