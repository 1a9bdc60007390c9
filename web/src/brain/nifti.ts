// SPDX-License-Identifier: Apache-2.0
// Reads NIfTI-1 files as the platform makes them: .nii.gz, little endian, one volume, sform.
import type { Point } from "./glb";

type Voxels = Uint8Array | Int16Array | Float32Array;

export interface Volume {
  size: Point;
  voxels: Voxels;
  /** Three rows of four: RAS millimetres from voxel indices. */
  rasFromIjk: number[][];
  ijkFromRas: number[][];
}

const HEADER = 348;
const TYPES: Record<number, (buffer: ArrayBuffer, at: number, count: number) => Voxels> = {
  2: (buffer, at, count) => new Uint8Array(buffer, at, count),
  4: (buffer, at, count) => new Int16Array(buffer, at, count),
  16: (buffer, at, count) => new Float32Array(buffer, at, count),
};

/** Unpack a .nii.gz. Throws when it is none, or of a kind that the platform does not make. */
export async function volumeOf(gzipped: ArrayBuffer): Promise<Volume> {
  const stream = new Blob([gzipped]).stream().pipeThrough(new DecompressionStream("gzip"));
  return parsed(await new Response(stream).arrayBuffer());
}

/** Read an unpacked file; places of fields as in nifti1.h. */
export function parsed(buffer: ArrayBuffer): Volume {
  const view = new DataView(buffer);
  if (buffer.byteLength < HEADER || view.getInt32(0, true) !== HEADER) {
    throw new Error("not a NIfTI-1 file");
  }
  const size = [42, 44, 46].map((at) => view.getInt16(at, true)) as Point;
  const read = TYPES[view.getInt16(70, true)];
  if (!read) throw new Error("voxels of an unknown type");
  const voxels = read(buffer, view.getFloat32(108, true), size[0] * size[1] * size[2]);
  const rasFromIjk = [280, 296, 312].map((row) =>
    [0, 4, 8, 12].map((column) => view.getFloat32(row + column, true)),
  );
  return { size, voxels, rasFromIjk, ijkFromRas: inverse(rasFromIjk) };
}

/** Apply three rows of four to a point. */
export function applied(rows: number[][], [x, y, z]: Point): Point {
  return rows.map(([a = 0, b = 0, c = 0, d = 0]) => a * x + b * y + c * z + d) as Point;
}

/** The voxel whose middle is nearest to a place; 0 outside. */
export function valueAt(volume: Volume, ras: Point): number {
  const [i, j, k] = applied(volume.ijkFromRas, ras).map(Math.round) as Point;
  const [ni, nj, nk] = volume.size;
  if (i < 0 || j < 0 || k < 0 || i >= ni || j >= nj || k >= nk) return 0;
  return volume.voxels[i + ni * (j + nj * k)] ?? 0;
}

/** The middle of the voxel with one of these labels that is nearest to a place. */
export function nearest(volume: Volume, labels: readonly number[], ras: Point): Point | null {
  const [ci, cj, ck] = applied(volume.ijkFromRas, ras);
  const [ni, nj] = volume.size;
  let best = Number.POSITIVE_INFINITY;
  let found = -1;
  for (let index = 0; index < volume.voxels.length; index++) {
    if (!labels.includes(volume.voxels[index] ?? 0)) continue;
    const [i, j, k] = [index % ni, Math.floor(index / ni) % nj, Math.floor(index / (ni * nj))];
    const distance = (i - ci) ** 2 + (j - cj) ** 2 + (k - ck) ** 2;
    if (distance < best) [best, found] = [distance, index];
  }
  if (found < 0) return null;
  const ijk: Point = [found % ni, Math.floor(found / ni) % nj, Math.floor(found / (ni * nj))];
  return applied(volume.rasFromIjk, ijk);
}

/** Ends of the grid in RAS millimetres: the lowest and the highest of each axis. */
export function boundsOf({ size, rasFromIjk }: Volume): [Point, Point] {
  const ends = [0, 1, 2, 3, 4, 5, 6, 7].map((corner) =>
    applied(rasFromIjk, size.map((n, axis) => ((corner >> axis) & 1) * (n - 1)) as Point),
  );
  const along = (pick: (...values: number[]) => number) =>
    [0, 1, 2].map((axis) => pick(...ends.map((end) => end[axis] ?? 0))) as Point;
  return [along(Math.min), along(Math.max)];
}

function inverse(rows: number[][]): number[][] {
  const [[a, b, c, x], [d, e, f, y], [g, h, i, z]] = rows as [number[], number[], number[]] as [
    [number, number, number, number],
    [number, number, number, number],
    [number, number, number, number],
  ];
  const turned = [
    [e * i - f * h, c * h - b * i, b * f - c * e],
    [f * g - d * i, a * i - c * g, c * d - a * f],
    [d * h - e * g, b * g - a * h, a * e - b * d],
  ];
  const det = a * (e * i - f * h) + b * (f * g - d * i) + c * (d * h - e * g);
  if (!Number.isFinite(1 / det)) throw new Error("a grid without extent");
  return turned.map((row) => {
    const [p = 0, q = 0, r = 0] = row.map((part) => part / det);
    return [p, q, r, -(p * x + q * y + r * z)];
  });
}
