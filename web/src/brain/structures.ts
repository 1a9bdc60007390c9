// SPDX-License-Identifier: Apache-2.0
// What the surfaces and the label map call a structure, and what its measurement is called.

/** FreeSurfer's label numbers, left and right; most telling first, the order of every list. */
const SIDED = {
  hippocampus: [17, 53],
  amygdala: [18, 54],
  lateral_ventricle: [4, 43],
  inferior_lateral_ventricle: [5, 44],
  thalamus: [10, 49],
  caudate: [11, 50],
  putamen: [12, 51],
  pallidum: [13, 52],
  accumbens: [26, 58],
  cortex: [3, 42],
  white: [2, 41],
  ventral: [28, 60],
} as const;
const ON_THE_MIDDLE: Record<string, readonly number[]> = {
  third_ventricle: [14],
  fourth_ventricle: [15],
  cerebellar_cortex: [8, 47],
  cerebellar_white: [7, 46],
  brainstem: [16],
};

/** Label numbers by structure. */
const NUMBERS = new Map<string, readonly number[]>([
  ...Object.entries(SIDED).flatMap(([stem, [left, right]]): [string, number[]][] => [
    [`${stem}_left`, [left]],
    [`${stem}_right`, [right]],
  ]),
  ...Object.entries(ON_THE_MIDDLE),
]);

export const STRUCTURES: readonly string[] = [...NUMBERS.keys()];

/** Measured under another name; the halves of the cerebellum are measured as one. */
const REGIONS: Record<string, string> = {
  brainstem: "brain_stem",
  cerebellar_cortex: "cerebellum",
  cerebellar_white: "cerebellum",
  cortex_left: "cortical_grey_left",
  cortex_right: "cortical_grey_right",
  white_left: "cerebral_white_left",
  white_right: "cerebral_white_right",
};

/** The region that a structure is measured as. */
export function regionOf(structure: string): string {
  return REGIONS[structure] ?? structure;
}

/** Whether a structure lies around the others, and is looked through. */
export function isShell(structure: string): boolean {
  return /^(cortex|white|cerebellar)_/.test(structure);
}

export function numbersOf(structure: string): readonly number[] {
  return NUMBERS.get(structure) ?? [];
}

const BY_NUMBER = new Map(
  STRUCTURES.flatMap((name) => numbersOf(name).map((number): [number, string] => [number, name])),
);

/** The structure that a label number stands for; none for fluid and for what is outside. */
export function structureOf(label: number): string | undefined {
  return BY_NUMBER.get(label);
}
