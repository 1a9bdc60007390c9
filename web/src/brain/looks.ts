// SPDX-License-Identifier: Apache-2.0
// How each surface and each label is shown.
import { colourOf } from "./colour";
import { type Facts, isAlert } from "./facts";
import { numbersOf } from "./structures";

export interface Look {
  colour: string;
  /** Outside the usual range for age: it pulses, and has a rim. */
  alert: boolean;
  chosen: boolean;
}

/** The look of every structure. */
export function looksOf(facts: Facts[], chosen: string | null): Record<string, Look> {
  const looks: Record<string, Look> = {};
  for (const each of facts) {
    for (const structure of each.structures) {
      const colour = colourOf(each.z, structure);
      looks[structure] = { colour, alert: isAlert(each), chosen: each.key === chosen };
    }
  }
  return looks;
}

/** Colour of every entry, as the list shows it. */
export function coloursOf(facts: Facts[]): Record<string, string> {
  return Object.fromEntries(facts.map(({ key, z }) => [key, colourOf(z)]));
}

const CHOSEN = "#ffd54a";

/** Ink by label number: what was compared, and the chosen one; the rest stays grey tissue. */
export function inksOf(facts: Facts[], chosen: string | null): Map<number, string> {
  const inks = new Map<number, string>();
  for (const { key, z, structures } of facts) {
    if (z === null && key !== chosen) continue;
    for (const label of structures.flatMap(numbersOf)) {
      inks.set(label, key === chosen ? CHOSEN : colourOf(z));
    }
  }
  return inks;
}
