// SPDX-License-Identifier: Apache-2.0
// From the base to the output, one step for every input (SHAP values, largest first).
import type { Contribution } from "../contracts/events";
import { signed } from "../format";
import { messages } from "../messages/en";

const WIDTH = 640;
const LABEL = 230;
const ROW = 30;

export interface Step {
  label: string;
  from: number;
  to: number;
}

/** The steps that lead from the base to the output, the largest first. */
export function stepsOf(
  base: number,
  contributions: Contribution[],
  name: (key: string) => string,
): Step[] {
  const sorted = contributions.toSorted(
    (a, b) => Math.abs(b.contribution) - Math.abs(a.contribution),
  );
  let at = base;
  return sorted.map(({ feature, contribution }) => {
    const from = at;
    at += contribution;
    return { label: name(feature), from, to: at };
  });
}

export function Waterfall({
  steps,
  base,
  output,
  caption,
}: {
  steps: Step[];
  base: number;
  output: number;
  caption: string;
}) {
  const ends = [base, output, ...steps.map((step) => step.to)];
  const low = Math.min(...ends);
  const span = Math.max(...ends) - low || 1;
  const x = (value: number) => LABEL + ((WIDTH - LABEL - 90) * (value - low)) / span;
  const height = (steps.length + 2) * ROW;
  return (
    <figure className="scroll">
      <svg
        role="img"
        aria-label={caption}
        viewBox={`0 0 ${WIDTH} ${height}`}
        width={WIDTH}
        height={height}
      >
        <title>{caption}</title>
        <Mark label={messages.charts.base} value={base} x={x(base)} y={0} />
        {steps.map((step, row) => (
          <Bar key={step.label} step={step} x={x} y={(row + 1) * ROW} />
        ))}
        <Mark
          label={messages.charts.output}
          value={output}
          x={x(output)}
          y={(steps.length + 1) * ROW}
        />
      </svg>
      <figcaption>{caption}</figcaption>
    </figure>
  );
}

function Bar({ step, x, y }: { step: Step; x: (value: number) => number; y: number }) {
  const raises = step.to >= step.from;
  const left = Math.min(x(step.from), x(step.to));
  const width = Math.max(Math.abs(x(step.to) - x(step.from)), 1);
  return (
    <g>
      <text x={0} y={y + 20}>
        {step.label}
      </text>
      <rect className={raises ? "raises" : "lowers"} x={left} y={y + 6} width={width} height={18} />
      <line className="expected" x1={x(step.to)} y1={y + 6} x2={x(step.to)} y2={y + ROW + 6} />
      <text x={left + width + 6} y={y + 20}>
        {signed(100 * (step.to - step.from))}
      </text>
    </g>
  );
}

function Mark({ label, value, x, y }: { label: string; value: number; x: number; y: number }) {
  return (
    <g>
      <text x={0} y={y + 20} className="strong">
        {label}
      </text>
      <line className="spread" x1={x} y1={y + 4} x2={x} y2={y + ROW} />
      <text x={x + 6} y={y + 20} className="strong">
        {`${(100 * value).toFixed(0)} %`}
      </text>
    </g>
  );
}
