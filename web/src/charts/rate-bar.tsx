// SPDX-License-Identifier: Apache-2.0
// A yearly change on one line: its interval, no change, and published means of healthy people.
import { linear } from "./scale";
import "./charts.css";

const WIDTH = 200;
const HEIGHT = 22;

export function RateBar({
  rate,
  interval,
  healthy,
  span,
  said,
}: {
  rate: number;
  interval: readonly [number, number] | null;
  healthy: readonly number[];
  /** Percent a year from minus this to plus this; beyond, it stands at the edge. */
  span: number;
  said: string;
}) {
  const scale = linear([-span, span], [4, WIDTH - 4]);
  const at = (value: number) => scale(Math.min(Math.max(value, -span), span));
  return (
    <svg
      role="img"
      aria-label={said}
      viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
      width={WIDTH}
      height={HEIGHT}
    >
      <title>{said}</title>
      <rect className="track" x={0} y={HEIGHT / 2 - 1} width={WIDTH} height={2} />
      <line className="expected" x1={at(0)} x2={at(0)} y1={1} y2={HEIGHT - 1} />
      {healthy.map((mean) => (
        <path
          key={mean}
          className="healthy-mark"
          d={`M${at(mean)} 6l-4 -5h8zM${at(mean)} 16l-4 5h8z`}
        />
      ))}
      {interval && (
        <line
          className="spread"
          x1={at(interval[0])}
          x2={at(interval[1])}
          y1={HEIGHT / 2}
          y2={HEIGHT / 2}
        />
      )}
      <circle className="value" cx={at(rate)} cy={HEIGHT / 2} r={5} />
    </svg>
  );
}
