// SPDX-License-Identifier: Apache-2.0
import { cleanup, fireEvent, render, screen } from "@testing-library/react";
import { useState } from "react";
import { afterEach, describe, expect, it } from "vitest";
import { factsOf } from "./facts";
import type { Point } from "./glb";
import type { Volume } from "./nifti";
import { analysis } from "./sample";
import { type Read, Slices } from "./slices";

const facts = factsOf(analysis());

function cube(): Read {
  const size: Point = [21, 21, 21];
  const [rasFromIjk, ijkFromRas] = [-10, 10].map((shift) =>
    [0, 1, 2].map((row) => [0, 1, 2, 3].map((c) => (c === row ? 1 : c === 3 ? shift : 0))),
  ) as [number[][], number[][]];
  const volume: Volume = { size, voxels: new Int16Array(21 ** 3), rasFromIjk, ijkFromRas };
  return { file: new ArrayBuffer(0), volume };
}

const seen: Point[] = [];

function Shown({ chosen }: { chosen: string | null }) {
  const [at, move] = useState<Point>([0, 0, 0]);
  const [both] = useState(() => ({ brain: cube(), labels: cube() }));
  const told = (to: Point) => {
    seen.push(to);
    move(to);
  };
  return <Slices {...both} facts={facts} chosen={chosen} at={at} move={told} />;
}

afterEach(() => {
  cleanup();
  seen.length = 0;
});

describe("slices without WebGL", () => {
  it("are three planes with their sides and a scale, and no switch to what cannot be", () => {
    render(<Shown chosen={null} />);
    expect(screen.getAllByRole("img").map((plane) => plane.getAttribute("aria-label"))).toEqual([
      "Axial slice",
      "Coronal slice",
      "Sagittal slice",
    ]);
    expect(screen.getAllByText("50 mm")).toHaveLength(3);
    expect(screen.getAllByText("L")).toHaveLength(2);
    expect(screen.queryByRole("button")).toBeNull();
  });
  it("move by rulers, in words", () => {
    render(<Shown chosen={null} />);
    const ruler = screen.getByLabelText("Left to right");
    fireEvent.change(ruler, { target: { value: "-7" } });
    expect(seen).toEqual([[-7, 0, 0]]);
    expect(ruler.getAttribute("aria-valuetext")).toBe("7 mm left");
    expect([ruler.getAttribute("min"), ruler.getAttribute("max")]).toEqual(["-10", "10"]);
  });
  it("move by a turn of the wheel, and stay inside", () => {
    render(<Shown chosen={null} />);
    const [axial] = screen.getAllByRole("figure");
    if (!axial) throw new Error("no slice");
    for (let turn = 0; turn < 12; turn++) fireEvent.wheel(axial, { deltaY: 100 });
    expect(seen.at(-1)).toEqual([0, 0, 10]);
  });
  it("say what is where they meet", () => {
    render(<Shown chosen="hippocampus_left" />);
    expect(screen.getByText("Hippocampus, left").parentElement?.textContent).toBe(
      "Hippocampus, left moderately low for age",
    );
  });
});
