// SPDX-License-Identifier: Apache-2.0
// One structure over a person's scans: each with its error, the yearly change with its interval,
// and what is published of healthy people.
import { messages } from "../messages/en";
import { Axes, FRAME, Picture } from "./axes";
import { around, linear, pathOf } from "./scale";

export interface Measured {
  /** Before the newest scan: 0 or less. */
  years: number;
  value: number;
  sd: number | null;
}

export interface ChangeChartData {
  name: string;
  points: Measured[];
  /** Percent a year. */
  rate: number;
  interval: readonly [number, number] | null;
  /** Lowest and highest published mean of healthy people. */
  healthy: readonly [number, number] | null;
  said: string;
}

const STEPS = 12;

export function ChangeChart({ name, points, rate, interval, healthy, said }: ChangeChartData) {
  const words = messages.charts;
  const first = points[0]?.years ?? -1;
  const xDomain: [number, number] = [first * 1.06, -first * 0.06];
  const curve = (percent: number) => courseOf(points, percent, xDomain);
  const between = (ends: readonly [number, number]) => [curve(ends[0]), curve(ends[1])] as const;
  const drawn = [curve(rate), ...(interval ? between(interval) : [])].flat();
  const bars = points.flatMap(({ value, sd }) => [value - (sd ?? 0), value + (sd ?? 0)]);
  const yDomain = around([...bars, ...drawn.map(([, value]) => value)]);
  const x = linear(xDomain, [FRAME.left, FRAME.right]);
  const y = linear(yDomain, [FRAME.bottom, FRAME.top]);
  const placed = (course: Course) => course.map(([at, value]) => [x(at), y(value)] as const);
  const area = (ends: readonly [number, number]) => {
    const [low, high] = between(ends);
    return `${pathOf([...placed(low), ...placed(high).reverse()])}Z`;
  };
  return (
    <Picture title={words.changeTitle(name)} description={said}>
      <Axes {...{ x, y, xDomain, yDomain }} xLabel={words.years} yLabel="mL" />
      {interval && <path className="band-outer" d={area(interval)} />}
      {healthy && <path className="healthy" d={area(healthy)} />}
      <path className="median" d={pathOf(placed(curve(rate)))} />
      {points.map(({ years, value, sd }) => (
        <g key={years} className="person">
          {sd !== null && (
            <line x1={x(years)} x2={x(years)} y1={y(value - sd)} y2={y(value + sd)} />
          )}
          <circle cx={x(years)} cy={y(value)} r={5} />
        </g>
      ))}
    </Picture>
  );
}

type Course = (readonly [number, number])[];

/** A change of so many percent a year, drawn through the middle of the points. */
export function courseOf(
  points: readonly Measured[],
  percent: number,
  [from, to]: readonly [number, number],
): Course {
  const mean = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const middle = mean(points.map(({ years }) => years));
  const level = mean(points.map(({ value }) => Math.log(value)));
  const slope = Math.log1p(percent / 100);
  return Array.from({ length: STEPS + 1 }, (_, step) => {
    const at = from + ((to - from) * step) / STEPS;
    return [at, Math.exp(level + slope * (at - middle))] as const;
  });
}
