// SPDX-License-Identifier: Apache-2.0
import { cleanup, render, screen } from "@testing-library/react";
import { afterEach, describe, expect, it } from "vitest";
import { FRAME } from "./axes";
import { ChangeChart, courseOf } from "./change-chart";
import { NormChart, scalesOf, spread } from "./norm-chart";
import { around, decimalsOf, linear, ticks } from "./scale";
import { stepsOf } from "./waterfall";

afterEach(cleanup);

describe("scales", () => {
  it("are straight, and stand where there is no width", () => {
    const scale = linear([10, 20], [100, 0]);
    expect([scale(10), scale(15), scale(20)]).toEqual([100, 50, 0]);
    expect(linear([3, 3], [0, 10])(3)).toBe(0);
  });

  it("have round numbers beside them", () => {
    expect(ticks([0, 10], 5)).toEqual([0, 2, 4, 6, 8, 10]);
    expect(ticks([-1.59, 0.09], 6)).toEqual([-1.5, -1, -0.5, 0]);
    expect(ticks([18, 94], 6)).toEqual([20, 40, 60, 80]);
    expect(ticks([5, 5], 4)).toEqual([5]);
    expect([decimalsOf([0, 2]), decimalsOf([0, 0.5]), decimalsOf([0, 0.05])]).toEqual([0, 1, 2]);
  });

  it("keep a margin", () => {
    expect(around([0, 100], 0.1)).toEqual([-10, 110]);
    expect(around([0])[0]).toBeLessThan(0);
  });
});

const CURVE = {
  age_years: [18, 50, 94],
  p5: [7, 7.3, 5],
  p25: [8, 8, 5.6],
  p50: [8.4, 8.5, 6.1],
  p75: [8.9, 9, 6.6],
  p95: [9.6, 9.7, 7.3],
};

describe("the norm chart", () => {
  it("holds every dot with its error, and the whole curve", () => {
    const dots = [
      { age: 12, value: 3, sd: 1 },
      { age: 96, value: 12, sd: 0.5 },
    ];
    const { x, y } = scalesOf(CURVE, dots);
    expect([x(12), x(96)]).toEqual([FRAME.left, FRAME.right]);
    for (const value of [2, 12.5, 5, 9.7]) {
      expect(y(value)).toBeGreaterThanOrEqual(FRAME.top);
      expect(y(value)).toBeLessThanOrEqual(FRAME.bottom);
    }
    expect(y(12)).toBeLessThan(y(3));
  });

  it("keeps labels apart and in order", () => {
    expect(spread([10, 12, 13, 60], 12)).toEqual([10, 22, 34, 60]);
  });

  it("says in words what it shows", () => {
    const { container } = render(
      <NormChart
        name="Hippocampi, both"
        unit="mL"
        curve={CURVE}
        dot={{ age: 74, value: 6.2, sd: 0.3 }}
        earlier={[{ age: 72.5, value: 6.4, sd: null }]}
        said="6.20 mL at 74 years, centile 4."
      />,
    );
    const chart = screen.getByRole("img", { name: "Hippocampi, both over age" });
    expect(container.querySelector("desc")?.textContent).toContain("centile 4");
    expect(chart.querySelectorAll(".person")).toHaveLength(2);
    // The earlier one has no error bar, since none is known.
    expect(chart.querySelectorAll(".person line")).toHaveLength(1);
    expect(chart.querySelectorAll(".ends text")).toHaveLength(5);
  });
});

describe("the change chart", () => {
  const points = [
    { years: -2, value: 100, sd: 1 },
    { years: 0, value: 81, sd: 1 },
  ];

  it("draws a rate through the middle of the points", () => {
    // −10 % a year over two years is exactly what the points say.
    const course = courseOf(points, -10, [-2, 0]);
    expect(course[0]?.[1]).toBeCloseTo(100, 9);
    expect(course.at(-1)?.[1]).toBeCloseTo(81, 9);
    const flat = courseOf(points, 0, [-2, 0]);
    expect(flat[0]?.[1]).toBeCloseTo(90, 9);
  });

  it("shows no interval where none is known", () => {
    const all = { name: "Whole brain", points, rate: -10, said: "said" };
    const { container, rerender } = render(
      <ChangeChart {...all} interval={[-12, -8]} healthy={[-1, -0.5]} />,
    );
    expect(container.querySelectorAll(".band-outer, .healthy")).toHaveLength(2);
    rerender(<ChangeChart {...all} interval={null} healthy={null} />);
    expect(container.querySelectorAll(".band-outer, .healthy")).toHaveLength(0);
  });
});

it("the waterfall leads from the base to the output, the largest step first", () => {
  const part = (feature: string, contribution: number) => ({
    feature,
    contribution,
    value: 0,
    group: "imaging" as const,
    sentence: "",
    error: null,
  });
  const steps = stepsOf(0.25, [part("a", 0.05), part("b", -0.2), part("c", 0.1)], (key) =>
    key.toUpperCase(),
  );
  expect(steps.map(({ label }) => label)).toEqual(["B", "C", "A"]);
  expect(steps[0]?.from).toBe(0.25);
  for (const [place, step] of steps.entries()) expect(step.from).toBe(steps[place - 1]?.to ?? 0.25);
  expect(steps.at(-1)?.to).toBeCloseTo(0.2, 12);
});
