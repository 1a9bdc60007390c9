// SPDX-License-Identifier: Apache-2.0
// From the base to the output, one step for every input (SHAP values, largest first).
import type { Contribution } from "../contracts/events";
import { signed } from "../format";
import { messages } from "../messages/en";
import { useNarrow } from "./narrow";

/** Labels stand beside the bars, or above them where there is no room. In pixels. */
const WIDE = { width: 640, label: 230, above: 0, row: 30 };
const NARROW = { width: 320, label: 0, above: 18, row: 50 };
type Layout = typeof WIDE;
const VALUE = 90;

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
  const layout = useNarrow() ? NARROW : WIDE;
  const { width, label, row } = layout;
  const ends = [base, output, ...steps.map((step) => step.to)];
  const low = Math.min(...ends);
  const span = Math.max(...ends) - low || 1;
  const x = (value: number) => label + ((width - label - VALUE) * (value - low)) / span;
  const height = (steps.length + 2) * row;
  return (
    <figure>
      <svg
        role="img"
        aria-label={caption}
        viewBox={`0 0 ${width} ${height}`}
        width={width}
        height={height}
      >
        <title>{caption}</title>
        <Mark layout={layout} label={messages.charts.base} value={base} x={x(base)} y={0} />
        {steps.map((step, place) => (
          <Bar key={step.label} layout={layout} step={step} x={x} y={(place + 1) * row} />
        ))}
        <Mark
          layout={layout}
          label={messages.charts.output}
          value={output}
          x={x(output)}
          y={(steps.length + 1) * row}
        />
      </svg>
      <figcaption>{caption}</figcaption>
    </figure>
  );
}

interface Placed {
  layout: Layout;
  y: number;
}

function Bar({ layout, step, x, y }: Placed & { step: Step; x: (value: number) => number }) {
  const raises = step.to >= step.from;
  const left = Math.min(x(step.from), x(step.to));
  const width = Math.max(Math.abs(x(step.to) - x(step.from)), 1);
  const top = y + layout.above + 6;
  return (
    <g>
      <text x={0} y={y + 20}>
        {step.label}
      </text>
      <rect className={raises ? "raises" : "lowers"} x={left} y={top} width={width} height={18} />
      <line className="expected" x1={x(step.to)} y1={top} x2={x(step.to)} y2={top + layout.row} />
      <text x={left + width + 6} y={top + 14}>
        {signed(100 * (step.to - step.from))}
      </text>
    </g>
  );
}

function Mark({
  layout,
  label,
  value,
  x,
  y,
}: Placed & { label: string; value: number; x: number }) {
  const top = y + layout.above;
  return (
    <g>
      <text x={0} y={y + 20} className="strong">
        {label}
      </text>
      <line className="spread" x1={x} y1={top + 4} x2={x} y2={y + layout.row} />
      <text x={x + 6} y={top + 20} className="strong">
        {`${(100 * value).toFixed(0)} %`}
      </text>
    </g>
  );
}
