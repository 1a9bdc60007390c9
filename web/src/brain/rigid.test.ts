// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from "vitest";
import type { Point, Surface } from "./glb";
import { alignment, moved, type Rigid, rigid } from "./rigid";

const POINTS: Point[] = [
  [10, 0, 3],
  [-4, 22, 1],
  [7, -31, 12],
  [0, 5, -25],
  [18, 9, 9],
];

function turn(degrees: number, axis: Point, shift: Point): Rigid {
  const half = (degrees * Math.PI) / 360;
  const length = Math.hypot(...axis);
  const [x, y, z] = axis.map((part) => (Math.sin(half) * part) / length) as Point;
  return { quaternion: [Math.cos(half), x, y, z], shift };
}

function apart(a: Point[], b: Point[]): number {
  return Math.max(...a.flatMap((p, i) => p.map((v, axis) => Math.abs(v - (b[i]?.[axis] ?? 0)))));
}

describe("the motion that brings points onto others", () => {
  it.each([0, 1, 30, 90, 179, 180])("is found for a turn by %d degrees", (degrees) => {
    const true_ = turn(degrees, [1, -2, 0.5], [12, -7, 3]);
    const goals = POINTS.map((point) => moved(point, true_));
    const found = rigid(POINTS, goals);
    expect(
      apart(
        POINTS.map((point) => moved(point, found)),
        goals,
      ),
    ).toBeLessThan(1e-9);
  });
  it("never mirrors", () => {
    const mirrored = POINTS.map(([x, y, z]): Point => [-x, y, z]);
    const found = rigid(POINTS, mirrored);
    const [a, b, c] = [
      moved([1, 0, 0], { ...found, shift: [0, 0, 0] }),
      moved([0, 1, 0], { ...found, shift: [0, 0, 0] }),
      moved([0, 0, 1], { ...found, shift: [0, 0, 0] }),
    ];
    const handed =
      a[0] * (b[1] * c[2] - b[2] * c[1]) -
      a[1] * (b[0] * c[2] - b[2] * c[0]) +
      a[2] * (b[0] * c[1] - b[1] * c[0]);
    expect(handed).toBeCloseTo(1, 9);
    expect(
      apart(
        POINTS.map((point) => moved(point, found)),
        mirrored,
      ),
    ).toBeGreaterThan(1);
  });
  it("is the best there is where points do not fit", () => {
    const goals = POINTS.map((point, i) =>
      moved(point, turn(20, [0, 0, 1], [i % 2, (i % 3) / 2, 0])),
    );
    const found = rigid(POINTS, goals);
    const cost = (motion: Rigid) =>
      POINTS.reduce((sum, point, i) => {
        const at = moved(point, motion);
        return sum + at.reduce((s, v, axis) => s + (v - (goals[i]?.[axis] ?? 0)) ** 2, 0);
      }, 0);
    for (const shift of [
      [0.05, 0, 0],
      [0, -0.05, 0],
    ] as Point[]) {
      const other = found.shift.map((v, axis) => v + (shift[axis] ?? 0)) as Point;
      expect(cost({ ...found, shift: other })).toBeGreaterThan(cost(found));
    }
  });
});

describe("two brains", () => {
  it("are aligned by the structures that both have", () => {
    const motion = turn(10, [0, 0, 1], [3, 2, 1]);
    const then = POINTS.map((at, i) => tetrahedron(`s${i}`, at));
    const now = then
      .slice(1)
      .map((surface) => ({ ...surface, points: each(surface.points, (p) => moved(p, motion)) }));
    const found = alignment(then, now);
    expect(found?.quaternion.map((v) => Math.abs(v))).toEqual(
      motion.quaternion.map((v) => expect.closeTo(Math.abs(v), 5)),
    );
  });
  it("are not aligned by fewer than three", () => {
    const few = POINTS.slice(0, 2).map((at, i) => tetrahedron(`s${i}`, at));
    expect(alignment(few, few)).toBeNull();
  });
});

function tetrahedron(name: string, [x, y, z]: Point): Surface {
  const points = new Float32Array([x, y, z, x + 2, y, z, x, y + 2, z, x, y, z + 2]);
  const triangles = new Uint16Array([0, 2, 1, 0, 1, 3, 0, 3, 2, 1, 2, 3]);
  return { name, points, normals: points, triangles };
}

function each(points: Float32Array, change: (point: Point) => Point): Float32Array {
  const made = new Float32Array(points.length);
  for (let i = 0; i < points.length; i += 3) {
    made.set(change([...points.slice(i, i + 3)] as Point), i);
  }
  return made;
}
