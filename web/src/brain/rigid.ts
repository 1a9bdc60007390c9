// SPDX-License-Identifier: Apache-2.0
// The turn and shift that brings points onto others with the least squares (what Kabsch's method
// finds), by unit quaternions: Horn, J Opt Soc Am A 4:629 (1987). A quaternion cannot mirror.
import { centreOf, type Point, type Surface } from "./glb";

export interface Rigid {
  /** w, x, y, z. */
  quaternion: [number, number, number, number];
  shift: Point;
}

type Matrix = number[][];

/** Bring an earlier brain onto a later one, by the centres of the structures that both have. */
export function alignment(earlier: Surface[], later: Surface[]): Rigid | null {
  const centres = new Map(later.map((surface) => [surface.name, centreOf(surface)]));
  const shared = earlier.filter(({ name }) => centres.has(name));
  if (shared.length < 3) return null;
  return rigid(
    shared.map(centreOf),
    shared.map(({ name }) => centres.get(name) as Point),
  );
}

/** The motion that brings `from` onto `to`, point by point. */
export function rigid(from: Point[], to: Point[]): Rigid {
  const [centre, goal] = [mean(from), mean(to)];
  const s = [0, 1, 2].map((row) =>
    [0, 1, 2].map((column) =>
      from.reduce((sum, point, i) => {
        const other = to[i] as Point;
        return sum + (at(point, row) - at(centre, row)) * (at(other, column) - at(goal, column));
      }, 0),
    ),
  );
  const quaternion = largestOf(horn(s)) as Rigid["quaternion"];
  const turned = moved(centre, { quaternion, shift: [0, 0, 0] });
  return { quaternion, shift: [0, 1, 2].map((i) => at(goal, i) - at(turned, i)) as Point };
}

/** A point, turned and shifted. */
export function moved(point: Point, { quaternion: [w, x, y, z], shift }: Rigid): Point {
  const [a, b, c] = point;
  const [u, v, t] = [
    2 * (y * c - z * b),
    2 * (z * a - x * c),
    2 * (x * b - y * a), // twice the cross product of the axis and the point
  ];
  return [
    a + w * u + (y * t - z * v) + shift[0],
    b + w * v + (z * u - x * t) + shift[1],
    c + w * t + (x * v - y * u) + shift[2],
  ];
}

/** Horn's matrix of the sums of products; its eigenvector of the largest eigenvalue is the turn. */
function horn(s: Matrix): Matrix {
  const [xx, xy, xz] = s[0] as Point;
  const [yx, yy, yz] = s[1] as Point;
  const [zx, zy, zz] = s[2] as Point;
  return [
    [xx + yy + zz, yz - zy, zx - xz, xy - yx],
    [yz - zy, xx - yy - zz, xy + yx, zx + xz],
    [zx - xz, xy + yx, yy - xx - zz, yz + zy],
    [xy - yx, zx + xz, yz + zy, zz - xx - yy],
  ];
}

/** Unit eigenvector of the largest eigenvalue of a symmetric matrix, by Jacobi's rotations. */
function largestOf(matrix: Matrix): number[] {
  const size = matrix.length;
  const a = matrix.map((row) => [...row]);
  const v = a.map((_, i) => a.map((_, j) => Number(i === j)));
  for (let sweep = 0; sweep < 50; sweep++) {
    for (let p = 0; p < size; p++) for (let q = p + 1; q < size; q++) rotate(a, v, p, q);
  }
  const values = a.map((row, i) => at(row, i));
  const best = values.indexOf(Math.max(...values));
  return v.map((row) => at(row, best));
}

function rotate(a: Matrix, v: Matrix, p: number, q: number): void {
  const [rowP, rowQ] = [a[p] as number[], a[q] as number[]];
  if (Math.abs(at(rowP, q)) < 1e-300) return;
  const theta = (at(rowQ, q) - at(rowP, p)) / (2 * at(rowP, q));
  const t = (theta < 0 ? -1 : 1) / (Math.abs(theta) + Math.hypot(theta, 1));
  const c = 1 / Math.hypot(t, 1);
  for (const row of [...a, ...v]) mix(row, p, q, c, t * c);
  for (let k = 0; k < a.length; k++) {
    const [x, y] = [at(rowP, k), at(rowQ, k)];
    rowP[k] = c * x - t * c * y;
    rowQ[k] = t * c * x + c * y;
  }
}

function mix(row: number[], p: number, q: number, c: number, s: number): void {
  const [x, y] = [at(row, p), at(row, q)];
  row[p] = c * x - s * y;
  row[q] = s * x + c * y;
}

function mean(points: Point[]): Point {
  return [0, 1, 2].map((axis) => {
    return points.reduce((sum, point) => sum + at(point, axis), 0) / points.length;
  }) as Point;
}

function at(row: readonly number[], index: number): number {
  return row[index] as number;
}
