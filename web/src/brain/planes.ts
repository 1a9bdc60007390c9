// SPDX-License-Identifier: Apache-2.0
// Slices through a volume along the body's own axes, whatever way the grid lies.
import { type Rgb, rgb } from "./colour";
import type { Point } from "./glb";
import { applied, type Volume } from "./nifti";

export type Axis = 0 | 1 | 2;

/** A plane as it is looked at: what is fixed, what runs to the right, and what runs up. */
export interface Plane {
  name: "axial" | "coronal" | "sagittal";
  fixed: Axis;
  right: Axis;
  up: Axis;
}

/** As a neurologist sees them: the left of the person is at the left. */
export const PLANES: readonly Plane[] = [
  { name: "axial", fixed: 2, right: 0, up: 1 },
  { name: "coronal", fixed: 1, right: 0, up: 2 },
  { name: "sagittal", fixed: 0, right: 1, up: 2 },
];

export interface Picture {
  width: number;
  height: number;
  /** Red, green, blue and opacity, the upper row first; as ImageData wants it. */
  pixels: Uint8ClampedArray<ArrayBuffer>;
}

export interface Ink {
  /** Colour by label number; what has none is not laid over. */
  colours: ReadonlyMap<number, string>;
  /** 0 to 1. */
  opacity: number;
}

/** Draw a slice at a place, a pixel to the millimetre, with its labels laid over. */
export function drawn(
  brain: Volume,
  labels: Volume,
  [low, high]: [Point, Point],
  plane: Plane,
  at: Point,
  { colours, opacity }: Ink,
): Picture {
  const width = Math.round(high[plane.right] - low[plane.right]) + 1;
  const height = Math.round(high[plane.up] - low[plane.up]) + 1;
  const pixels = new Uint8ClampedArray(4 * width * height);
  const inks = new Map([...colours].map(([label, colour]): [number, Rgb] => [label, rgb(colour)]));
  const grey = sampler(brain, plane);
  const label = sampler(labels, plane);
  const white = 255 / brightest(brain);
  const ras: Point = [...at];
  for (let row = 0; row < height; row++) {
    ras[plane.up] = high[plane.up] - row;
    ras[plane.right] = low[plane.right];
    grey.start(ras);
    label.start(ras);
    for (let column = 0; column < width; column++) {
      const ink = inks.get(label.next());
      const light = grey.next() * white;
      const place = 4 * (row * width + column);
      for (const part of [0, 1, 2] as const) {
        pixels[place + part] = ink ? light + (ink[part] - light) * opacity : light;
      }
      pixels[place + 3] = 255;
    }
  }
  return { width, height, pixels };
}

/** Reads a row of voxels, a millimetre apart, nearest ones. */
function sampler({ voxels, size: [ni, nj, nk], ijkFromRas }: Volume, { right }: Plane) {
  const [di, dj, dk] = ijkFromRas.map((row) => row[right] ?? 0) as Point;
  let [i, j, k] = [0, 0, 0];
  return {
    start(ras: Point) {
      [i, j, k] = applied(ijkFromRas, ras);
    },
    next(): number {
      const [a, b, c] = [Math.round(i), Math.round(j), Math.round(k)];
      i += di;
      j += dj;
      k += dk;
      if (a < 0 || b < 0 || c < 0 || a >= ni || b >= nj || c >= nk) return 0;
      return voxels[a + ni * (b + nj * c)] ?? 0;
    },
  };
}

const LIGHTS = new WeakMap<Volume, number>();

/** The brightest voxel, looked for once. */
function brightest(volume: Volume): number {
  let light = LIGHTS.get(volume);
  if (light === undefined) {
    light = 1;
    for (const value of volume.voxels) if (value > light) light = value;
    LIGHTS.set(volume, light);
  }
  return light;
}
