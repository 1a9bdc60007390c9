// SPDX-License-Identifier: Apache-2.0
import { deflateRawSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { header } from "./header.fixture";
import { EXPLICIT } from "./pydicom.fixture";
import { type Looked, look, sorted } from "./series";
import { fromFile, type Source } from "./source";

const DICOM = new Uint8Array(Buffer.from(EXPLICIT, "base64"));

function source(name: string, content: Uint8Array<ArrayBuffer> | string = DICOM): Source {
  return fromFile(new File([content], name));
}

function images(count: number, changed: Parameters<typeof header>[0]): Looked[] {
  return Array.from({ length: count }, (_, place) => ({
    source: source(`${changed?.series}/${place}`),
    header: header(changed),
  }));
}

/** A zip as any packer writes it; the second half of the files deflated. */
function zipOf(files: [string, Uint8Array<ArrayBuffer>][], flags = 0): Uint8Array<ArrayBuffer> {
  const parts: Buffer[] = [];
  const directory: Buffer[] = [];
  let offset = 0;
  for (const [place, [name, content]] of files.entries()) {
    const method = place >= files.length / 2 ? 8 : 0;
    const packed = method === 8 ? deflateRawSync(content) : Buffer.from(content);
    const head = Buffer.alloc(30);
    head.writeUInt32LE(0x04034b50, 0);
    head.writeUInt16LE(name.length, 26);
    const entry = Buffer.alloc(46);
    entry.writeUInt32LE(0x02014b50, 0);
    entry.writeUInt16LE(flags, 8);
    entry.writeUInt16LE(method, 10);
    entry.writeUInt32LE(packed.length, 20);
    entry.writeUInt32LE(content.length, 24);
    entry.writeUInt16LE(name.length, 28);
    entry.writeUInt32LE(offset, 42);
    parts.push(head, Buffer.from(name), packed);
    directory.push(entry, Buffer.from(name));
    offset += 30 + name.length + packed.length;
  }
  const listed = Buffer.concat(directory);
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt32LE(listed.length, 12);
  end.writeUInt32LE(offset, 16);
  return new Uint8Array(Buffer.concat([...parts, listed, end]));
}

describe("series", () => {
  it("are sorted, the one to measure first", () => {
    const found = sorted([
      ...images(3, { series: "scout", imageType: ["LOCALIZER"] }),
      ...images(60, { series: "t2", names: ["t2_tse", "", ""] }),
      ...images(30, { series: "se", names: ["T1 SE", "", ""] }),
      ...images(25, { series: "gre", names: ["MPRAGE", "", ""], seriesNumber: 4 }),
    ]);
    expect(found.studies).toHaveLength(1);
    expect(found.studies[0]?.best).toBe("gre");
    expect(found.studies[0]?.series.map(({ key, looks }) => [key, looks])).toEqual([
      ["gre", "t1"],
      ["se", "t1"],
      ["t2", "other"],
      ["scout", "other"],
    ]);
    expect(found.studies[0]?.series[0]).toMatchObject({
      images: 25,
      number: 4,
      description: "MPRAGE",
    });
  });

  it("of too few images are not suggested", () => {
    const found = sorted(images(19, { names: ["MPRAGE", "", ""] }));
    expect(found.studies[0]?.best).toBeNull();
    expect(found.studies[0]?.series[0]?.because).toBe("few_images");
  });

  it("that do not say how they are weighted are suggested where there are no others", () => {
    const silent = images(40, { series: "a" });
    expect(sorted(silent).studies[0]?.best).toBe("a");
    expect(sorted([...silent, ...images(40, { series: "b" })]).studies[0]?.best).toBeNull();
  });

  it("count the frames of an enhanced object", () => {
    const found = sorted(images(1, { frames: 176, names: ["T1 MPRAGE", "", ""] }));
    expect(found.studies[0]?.series[0]?.images).toBe(176);
    expect(found.studies[0]?.best).toBe("series");
  });

  it("of two people are noticed", () => {
    const found = sorted([
      ...images(1, { person: "a" }),
      ...images(1, { person: "b", study: "2" }),
    ]);
    expect(found.people).toBe(2);
    expect(found.studies).toHaveLength(2);
  });
});

describe("files", () => {
  it("that cannot be measured are said with the reason", async () => {
    const looked = await look(
      [source("a.dcm"), source("b.txt", "text"), source("c.nii.gz"), source("x/DICOMDIR")],
      () => undefined,
    );
    const skipped = sorted(looked).skipped.map(({ name, skip }) => [name, skip]);
    expect(skipped.sort()).toEqual([
      ["b.txt", "not_dicom"],
      ["c.nii.gz", "nifti"],
      ["x/DICOMDIR", "listing"],
    ]);
  });

  it("in a zip are looked at and given out, stored or deflated", async () => {
    const zip = zipOf([
      ["DICOM/1", DICOM],
      ["DICOM/2", DICOM],
      ["readme", new Uint8Array(Buffer.from("read me"))],
    ]);
    const told: [number, number][] = [];
    const looked = await look([source("scan.zip", zip)], (done, total) => told.push([done, total]));
    expect(told.at(-1)).toEqual([3, 3]);
    const [series] = sorted(looked).studies[0]?.series ?? [];
    expect(series?.sources.map(({ name }) => name).sort()).toEqual([
      "scan.zip/DICOM/1",
      "scan.zip/DICOM/2",
    ]);
    for (const one of series?.sources ?? []) {
      expect(new Uint8Array(await (await one.content()).arrayBuffer())).toEqual(DICOM);
    }
  });

  it("in a zip that cannot be opened are sent as they are", async () => {
    const locked = zipOf([["DICOM/1", DICOM]], 1);
    const broken = new Uint8Array([0x50, 0x4b, 3, 4, 9, 9]);
    const looked = await look(
      [source("locked.zip", locked), source("broken.zip", broken)],
      () => undefined,
    );
    const found = sorted(looked).studies.flatMap(({ series }) => series);
    expect(found.map(({ because }) => because)).toEqual(["closed", "closed"]);
  });
});
