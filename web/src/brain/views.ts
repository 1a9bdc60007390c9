// SPDX-License-Identifier: Apache-2.0
// Where the eye stands, in RAS directions from the middle of the brain.
import type { Point } from "./glb";

export const VIEWS = {
  oblique: [-0.75, 0.8, 0.42],
  left: [-1, 0, 0],
  right: [1, 0, 0],
  front: [0, 1, 0],
  back: [0, -1, 0],
  // A hair beside the pole, so that the front of the brain is up.
  top: [0, -0.001, 1],
  below: [0, 0.001, -1],
} satisfies Record<string, Point>;

export type View = keyof typeof VIEWS;
export const FIELD_OF_VIEW = 30;

/** How far the eye stands for a ball to fill the picture, whatever its shape. */
export function distanceFor(radius: number, aspect: number): number {
  const half = (FIELD_OF_VIEW * Math.PI) / 360;
  return radius / Math.sin(Math.min(half, Math.atan(Math.tan(half) * aspect)));
}
