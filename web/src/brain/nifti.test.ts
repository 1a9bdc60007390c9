// SPDX-License-Identifier: Apache-2.0
import { gzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import type { Point } from "./glb";
import { applied, boundsOf, nearest, parsed, valueAt, volumeOf } from "./nifti";
import { drawn, PLANES } from "./planes";

const SIZE: Point = [4, 5, 6];
/** As a sagittal series lies: i to the right, j down, k to the back; 2 mm between slices. */
const ROWS = [
  [2, 0, 0, -3],
  [0, 0, -1, 4],
  [0, -1, 0, 6],
];

function file(type: 2 | 4 | 16, put: (view: DataView, at: number, value: number) => void) {
  const bytes = type === 2 ? 1 : type === 4 ? 2 : 4;
  const count = SIZE[0] * SIZE[1] * SIZE[2];
  const buffer = new ArrayBuffer(352 + bytes * count);
  const view = new DataView(buffer);
  view.setInt32(0, 348, true);
  [3, ...SIZE].forEach((n, i) => {
    view.setInt16(40 + 2 * i, n, true);
  });
  view.setInt16(70, type, true);
  view.setFloat32(108, 352, true);
  ROWS.flat().forEach((value, i) => {
    view.setFloat32(280 + 4 * i, value, true);
  });
  for (let i = 0; i < count; i++) put(view, 352 + bytes * i, i % 100);
  return buffer;
}

const shorts = () => file(4, (view, at, value) => view.setInt16(at, value, true));
const index = (i: number, j: number, k: number) => i + SIZE[0] * (j + SIZE[1] * k);

describe("a NIfTI file", () => {
  it("is read from its gzip", async () => {
    const zipped = gzipSync(new Uint8Array(shorts()));
    const volume = await volumeOf(new Uint8Array(zipped).buffer);
    expect(volume.size).toEqual(SIZE);
    expect(volume.rasFromIjk).toEqual(ROWS);
  });
  it("is read whatever its numbers are", () => {
    const bytes = parsed(file(2, (view, at, value) => view.setUint8(at, value)));
    const floats = parsed(file(16, (view, at, value) => view.setFloat32(at, value, true)));
    expect([...bytes.voxels]).toEqual([...parsed(shorts()).voxels]);
    expect([...floats.voxels]).toEqual([...bytes.voxels]);
  });
  it("knows the way between voxels and the body", () => {
    const volume = parsed(shorts());
    const ras = applied(volume.rasFromIjk, [3, 2, 1]);
    expect(ras).toEqual([3, 3, 4]);
    expect(applied(volume.ijkFromRas, ras)).toEqual([3, 2, 1].map((v) => expect.closeTo(v, 9)));
    expect(valueAt(volume, ras)).toBe(index(3, 2, 1));
    expect(valueAt(volume, [99, 0, 0])).toBe(0);
    expect(boundsOf(volume)).toEqual([
      [-3, -1, 2],
      [3, 4, 6],
    ]);
  });
  it("tells where a label is nearest", () => {
    const volume = parsed(shorts());
    expect(nearest(volume, [index(1, 1, 1)], [0, 0, 0])).toEqual([-1, 3, 5]);
    expect(nearest(volume, [777], [0, 0, 0])).toBeNull();
  });
  it("is refused when it is another, or of numbers that nobody writes here", () => {
    expect(() => parsed(new ArrayBuffer(400))).toThrow("not a NIfTI-1 file");
    const odd = shorts();
    new DataView(odd).setInt16(70, 64, true);
    expect(() => parsed(odd)).toThrow("voxels of an unknown type");
  });
});

describe("a slice", () => {
  const volume = parsed(shorts());
  const bounds = boundsOf(volume);
  const [axial, coronal, sagittal] = PLANES;
  const at: Point = [-3, 4, 6];

  it("has a pixel to the millimetre, the left of the person at the left, and up above", () => {
    if (!axial || !coronal || !sagittal) throw new Error("three planes");
    const ink = { colours: new Map(), opacity: 1 };
    const picture = drawn(volume, volume, bounds, coronal, at, ink);
    expect([picture.width, picture.height]).toEqual([7, 5]);
    // The lowest row at the right: i 3, j 4, k 0.
    const last = picture.pixels.slice(-4);
    expect([...last]).toEqual([
      ...[0, 0, 0].map(() => Math.round((index(3, 4, 0) * 255) / 99)),
      255,
    ]);
    expect(drawn(volume, volume, bounds, sagittal, at, ink).width).toBe(6);
    expect(drawn(volume, volume, bounds, axial, at, ink).height).toBe(6);
  });
  it("is inked where a label has a colour", () => {
    if (!coronal) throw new Error("three planes");
    const ink = { colours: new Map([[index(3, 4, 0), "#102030"]]), opacity: 1 };
    const { pixels } = drawn(volume, volume, bounds, coronal, at, ink);
    expect([...pixels.slice(-4)]).toEqual([0x10, 0x20, 0x30, 255]);
  });
});
