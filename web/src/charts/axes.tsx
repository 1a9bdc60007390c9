// SPDX-License-Identifier: Apache-2.0
// Two axes with round numbers, and what a drawing is called for those who cannot see it.
import { type ReactNode, useId } from "react";
import { decimalsOf, type Scale, ticks } from "./scale";
import "./charts.css";

export const WIDTH = 480;
export const HEIGHT = 270;
export const FRAME = { left: 46, right: 434, top: 26, bottom: 226 };

/** A picture with its title, and a longer description of it. */
export function Picture({
  title,
  description,
  children,
}: {
  title: string;
  description: string;
  children: ReactNode;
}) {
  const id = useId();
  return (
    <svg
      className="chart"
      role="img"
      aria-labelledby={`${id}-title`}
      aria-describedby={`${id}-text`}
      viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
    >
      <title id={`${id}-title`}>{title}</title>
      <desc id={`${id}-text`}>{description}</desc>
      {children}
    </svg>
  );
}

export function Axes({
  x,
  y,
  xDomain,
  yDomain,
  xLabel,
  yLabel,
}: {
  x: Scale;
  y: Scale;
  xDomain: readonly [number, number];
  yDomain: readonly [number, number];
  xLabel: string;
  yLabel: string;
}) {
  const [across, up] = [ticks(xDomain, 6), ticks(yDomain, 4)];
  const [xDecimals, yDecimals] = [decimalsOf(across), decimalsOf(up)];
  return (
    <g className="axes">
      {up.map((value) => (
        <g key={value}>
          <line x1={FRAME.left} x2={FRAME.right} y1={y(value)} y2={y(value)} />
          <text x={FRAME.left - 8} y={y(value) + 4} textAnchor="end">
            {value.toFixed(yDecimals)}
          </text>
        </g>
      ))}
      {across.map((value) => (
        <text key={value} x={x(value)} y={FRAME.bottom + 18} textAnchor="middle">
          {value.toFixed(xDecimals).replace("-", "−")}
        </text>
      ))}
      <text x={(FRAME.left + FRAME.right) / 2} y={HEIGHT - 6} textAnchor="middle">
        {xLabel}
      </text>
      <text x={FRAME.left - 8} y={13} textAnchor="end">
        {yLabel}
      </text>
    </g>
  );
}
