// SPDX-License-Identifier: Apache-2.0
// A person on the age curve of healthy people, with the bands between their centiles.
import type { NormCurve } from "../contracts/events";
import { messages } from "../messages/en";
import { Axes, FRAME, Picture } from "./axes";
import { around, linear, pathOf, type Scale } from "./scale";

export const CENTILES = ["p5", "p25", "p50", "p75", "p95"] as const;
const APART = 12;

export interface Dot {
  age: number;
  value: number;
  sd: number | null;
}

export interface NormChartData {
  name: string;
  unit: string;
  curve: NormCurve;
  /** Of this scan. */
  dot: Dot;
  /** Of the same person, the oldest first. */
  earlier: Dot[];
  /** All that the drawing says, in a sentence. */
  said: string;
}

export function NormChart({ name, unit, curve, dot, earlier, said }: NormChartData) {
  const words = messages.charts;
  const { x, y, xDomain, yDomain } = scalesOf(curve, [...earlier, dot]);
  const line = (centile: (typeof CENTILES)[number]) =>
    curve.age_years.map((age, place) => [x(age), y(curve[centile][place] ?? 0)] as const);
  const band = (low: (typeof CENTILES)[number], high: (typeof CENTILES)[number]) =>
    `${pathOf([...line(low), ...line(high).reverse()])}Z`;
  return (
    <Picture title={words.normTitle(name)} description={said}>
      <Axes {...{ x, y, xDomain, yDomain }} xLabel={words.age} yLabel={unit} />
      <path className="band-outer" d={band("p5", "p95")} />
      <path className="band-inner" d={band("p25", "p75")} />
      <path className="median" d={pathOf(line("p50"))} />
      <Ends curve={curve} y={y} />
      <path
        className="trail"
        d={pathOf([...earlier, dot].map((each) => [x(each.age), y(each.value)] as const))}
      />
      {earlier.map((each) => (
        <Mark key={each.age} dot={each} x={x} y={y} earlier />
      ))}
      <Mark dot={dot} x={x} y={y} />
    </Picture>
  );
}

/** Scales that hold the curve and every dot with its error. */
export function scalesOf(curve: NormCurve, dots: readonly Dot[]) {
  const ages = [...curve.age_years, ...dots.map(({ age }) => age)];
  const values = dots.flatMap(({ value, sd }) => [value - (sd ?? 0), value + (sd ?? 0)]);
  const xDomain: [number, number] = [Math.min(...ages), Math.max(...ages)];
  const yDomain = around([...curve.p5, ...curve.p95, ...values]);
  return {
    xDomain,
    yDomain,
    x: linear(xDomain, [FRAME.left, FRAME.right]),
    y: linear(yDomain, [FRAME.bottom, FRAME.top]),
  };
}

/** Which centile each line is, at its end; labels keep apart. */
function Ends({ curve, y }: { curve: NormCurve; y: Scale }) {
  const places = spread(CENTILES.map((centile) => y(curve[centile].at(-1) ?? 0)).reverse(), APART);
  return (
    <g className="ends">
      {[...CENTILES].reverse().map((centile, place) => (
        <text key={centile} x={FRAME.right + 5} y={(places[place] ?? 0) + 4}>
          {messages.charts.centiles[centile]}
        </text>
      ))}
    </g>
  );
}

/** Move rising places down until neighbours are as far apart as asked. */
export function spread(places: readonly number[], apart: number): number[] {
  const moved: number[] = [];
  for (const place of places) moved.push(Math.max(place, (moved.at(-1) ?? -Infinity) + apart));
  return moved;
}

function Mark({ dot, x, y, earlier = false }: { dot: Dot; x: Scale; y: Scale; earlier?: boolean }) {
  const [across, up] = [x(dot.age), y(dot.value)];
  return (
    <g className={earlier ? "person earlier" : "person"}>
      {dot.sd !== null && (
        <line x1={across} x2={across} y1={y(dot.value - dot.sd)} y2={y(dot.value + dot.sd)} />
      )}
      <circle cx={across} cy={up} r={earlier ? 3.5 : 5.5} />
    </g>
  );
}
