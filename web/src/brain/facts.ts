// SPDX-License-Identifier: Apache-2.0
// What is known of every structure that can be seen: one entry for what is measured as one.
import type { Analysis, Severity } from "../documents";
import { centile, plain, signed, volume } from "../format";
import { messages } from "../messages/en";
import { regionOf, STRUCTURES } from "./structures";

export interface Facts {
  /** The region, or the structure where none is measured. */
  key: string;
  title: string;
  structures: string[];
  volumeMm3: number | null;
  errorSdMm3: number | null;
  medianMm3: number | null;
  z: number | null;
  zSd: number | null;
  centile: number | null;
  centileBand: [number, number] | null;
  severity: Severity;
  direction: string | null;
  /** Why it was not measured or not compared. */
  reason: string | null;
}

const WORST_FIRST: Severity[] = ["severe", "moderate", "mild", "uncertain", "none"];

/** Whether a structure lies outside the usual range for age. */
export function isAlert({ severity }: Pick<Facts, "severity">): boolean {
  return severity === "mild" || severity === "moderate" || severity === "severe";
}

/** Facts of every structure, the furthest outside first, what was not compared last. */
export function factsOf(document: Analysis): Facts[] {
  const keys = [...new Set(STRUCTURES.map(regionOf))];
  return keys.map((key) => entry(document, key)).sort((a, b) => rank(a) - rank(b));
}

function rank({ severity, z }: Facts): number {
  if (severity === null) return WORST_FIRST.length + (z === null ? 1 : 0);
  return WORST_FIRST.indexOf(severity);
}

function entry(document: Analysis, key: string): Facts {
  const score = document.atrophy.regions[key];
  const reasons = document.reasons;
  return {
    key,
    title: messages.brain.structures[key] ?? messages.names[key] ?? plain(key),
    structures: STRUCTURES.filter((structure) => regionOf(structure) === key),
    volumeMm3: document.volumes_mm3[key] ?? null,
    errorSdMm3: document.errors_sd.volumes_mm3[key] ?? null,
    medianMm3: score?.median_mm3 ?? null,
    z: score?.z ?? null,
    zSd: score?.z_sd ?? null,
    centile: score?.centile ?? null,
    centileBand: score?.centile_band ?? null,
    severity: score?.severity ?? null,
    direction: score?.direction ?? null,
    reason: reasons.volumes_mm3[key] ?? reasons.atrophy[key] ?? score?.reason ?? null,
  };
}

/** What is said of a structure, each part with its name; nothing for what is not known. */
export function lines(facts: Facts): [string, string][] {
  const words = messages.brain.facts;
  const said: [string, string | null][] = [
    [
      words.volume,
      facts.volumeMm3 === null ? words.notMeasured : volume(facts.volumeMm3, facts.errorSdMm3),
    ],
    [words.expected, facts.medianMm3 === null ? null : volume(facts.medianMm3)],
    [words.z, facts.z === null ? null : zSaid(facts.z, facts.zSd)],
    [words.centile, facts.centile === null ? null : centile(facts.centile, facts.centileBand)],
  ];
  return said.filter((line): line is [string, string] => line[1] !== null);
}

function zSaid(z: number, sd: number | null): string {
  return sd === null ? signed(z) : `${signed(z)} ± ${sd.toFixed(1)}`;
}

/** Where a structure lies, in words: that, or why it cannot be said. */
export function verdict(facts: Facts): string {
  if (facts.z !== null) return messages.severity(facts.severity, facts.direction);
  return messages.brain.facts.notCompared(facts.reason ? plain(facts.reason) : null);
}

/** All of it in a sentence, for who hears it. */
export function spoken(facts: Facts): string {
  const parts = lines(facts).map(([name, value]) => `${name} ${value}`);
  return `${facts.title}: ${[...parts, verdict(facts)].filter(Boolean).join("; ")}.`;
}
