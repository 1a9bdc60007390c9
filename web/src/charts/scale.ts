// SPDX-License-Identifier: Apache-2.0
// From numbers to places on a drawing, and the round numbers to write beside an axis.

export type Scale = (value: number) => number;

/** A straight scale; a domain without width is taken for one of width one. */
export function linear(domain: readonly [number, number], range: readonly [number, number]): Scale {
  const span = domain[1] - domain[0] || 1;
  return (value) => range[0] + ((value - domain[0]) / span) * (range[1] - range[0]);
}

/** Round numbers within a domain: 1, 2 or 5 times a power of ten apart, about as many as asked. */
export function ticks([low, high]: readonly [number, number], about: number): number[] {
  const rough = (high - low) / Math.max(about, 1);
  if (!(rough > 0) || !Number.isFinite(rough)) return [low];
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 5, 10].find((times) => times * power >= rough) ?? 10);
  const first = Math.ceil(low / step - 1e-9);
  const last = Math.floor(high / step + 1e-9);
  return Array.from({ length: last - first + 1 }, (_, place) =>
    Number(((first + place) * step).toPrecision(12)),
  );
}

/** The least domain that holds all values, with a margin on both sides. */
export function around(values: readonly number[], margin = 0.08): [number, number] {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const more = (high - low || Math.abs(high) || 1) * margin;
  return [low - more, high + more];
}

/** How many decimals tell ticks apart. */
export function decimalsOf(marks: readonly number[]): number {
  const step = Math.abs((marks[1] ?? 1) - (marks[0] ?? 0)) || 1;
  return Math.max(0, Math.ceil(-Math.log10(step) - 1e-9));
}

export function pathOf(points: readonly (readonly [number, number])[]): string {
  return points
    .map(([x, y], place) => `${place ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`)
    .join("");
}
