// SPDX-License-Identifier: Apache-2.0
// Colours by z. ColorBrewer's diverging scale RdBu in seven steps (Harrower and Brewer, The
// Cartographic Journal 40:27, 2003; "colorblind safe" by its authors), from z -3 to +3.
import { isShell } from "./structures";

export const SCALE = [
  "#b2182b",
  "#ef8a62",
  "#fddbc7",
  "#f7f7f7",
  "#d1e5f0",
  "#67a9cf",
  "#2166ac",
] as const;
export const SPAN_Z = 3;
/** What was not compared: grey, which is no colour of the scale. */
export const NO_Z = "#8793a1";
/** What lies around the others and was not compared. */
export const SHELL = "#c3ccd6";

export type Rgb = [number, number, number];

/** Colour of a z; beyond the ends of the scale it is that of the end. */
export function colourOf(z: number | null, structure = ""): string {
  if (z === null) return isShell(structure) ? SHELL : NO_Z;
  const at = ((Math.min(Math.max(z, -SPAN_Z), SPAN_Z) + SPAN_Z) * (SCALE.length - 1)) / 6;
  const step = Math.min(Math.floor(at), SCALE.length - 2);
  const [from, to] = [rgb(SCALE[step] ?? NO_Z), rgb(SCALE[step + 1] ?? NO_Z)];
  return hex(from.map((part, i) => part + ((to[i] ?? part) - part) * (at - step)) as Rgb);
}

/** Parts of a colour, 0 to 255. */
export function rgb(colour: string): Rgb {
  const bits = Number.parseInt(colour.slice(1), 16);
  return [bits >> 16, (bits >> 8) & 255, bits & 255];
}

function hex(parts: Rgb): string {
  return `#${parts.map((part) => Math.round(part).toString(16).padStart(2, "0")).join("")}`;
}
