// SPDX-License-Identifier: Apache-2.0
// Where a value lies among healthy people: the band holds 80 % of them, the dot is this scan.
import { signed } from "../format";
import { messages } from "../messages/en";

const WIDTH = 200;
const HEIGHT = 22;
/** z from minus this to plus this; beyond, a mark stands at the edge. */
const SPAN = 4.5;
/** The central 80 % of healthy people; the severity's first edge. */
const USUAL_Z = 1.2815515655446004;

export function NormBar({ z, sd }: { z: number; sd: number | null }) {
  const middle = HEIGHT / 2;
  const said = messages.charts.normBar(signed(z), sd === null ? null : sd.toFixed(1));
  return (
    <svg
      role="img"
      aria-label={said}
      viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
      width={WIDTH}
      height={HEIGHT}
    >
      <title>{said}</title>
      <rect className="track" x={0} y={middle - 2} width={WIDTH} height={4} />
      <rect
        className="usual"
        x={at(-USUAL_Z)}
        y={5}
        width={at(USUAL_Z) - at(-USUAL_Z)}
        height={12}
      />
      <line className="expected" x1={at(0)} y1={2} x2={at(0)} y2={HEIGHT - 2} />
      {sd !== null && (
        <line className="spread" x1={at(z - sd)} y1={middle} x2={at(z + sd)} y2={middle} />
      )}
      <circle className="value" cx={at(z)} cy={middle} r={5} />
    </svg>
  );
}

function at(z: number): number {
  return (WIDTH * (Math.min(Math.max(z, -SPAN), SPAN) + SPAN)) / (2 * SPAN);
}
