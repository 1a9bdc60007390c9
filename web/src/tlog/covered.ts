// SPDX-License-Identifier: Apache-2.0
// What a result says, and in which event of the log each value of it must stand. The table is that
// of libs/tlog/src/memoryguard/tlog/covered.py.
import { Unverified } from "./unverified";

export type Document = Record<string, unknown>;

const ROLES: Record<string, string> = {
  "memoryguard.scan.received.v1": "received",
  "memoryguard.volumes.extracted.v1": "measured",
  "memoryguard.volumes.refused.v1": "measured",
  "memoryguard.atrophy.scored.v1": "scored",
  "memoryguard.risk.predicted.v1": "answered",
  "memoryguard.risk.withheld.v1": "answered",
};
const GROUPS = ["volumes_mm3", "thickness_mm"];
const ATROPHY =
  "regions thickness summaries packs site overall overall_region flags change earlier_scans";
const RISK =
  "model probabilities explained base output contributions missing dementia_similarity" +
  " intervals95 interval_omits prevalence method baseline background_people additivity_error" +
  " group_contributions features";

interface Row {
  path: string;
  role: string;
  of: string;
  take?: (said: unknown) => unknown;
  otherwise?: unknown;
}

const each = (said: unknown, take: (quantity: Document) => unknown): Document =>
  Object.fromEntries(
    Object.entries((said ?? {}) as Record<string, Document>).map(([k, v]) => [k, take(v)]),
  );
const values = (said: unknown) => each(said, (quantity) => quantity["value"]);
const errors = (said: unknown) =>
  each(said, (quantity) => (quantity["value"] === null ? null : quantity["error_sd"]));
const detected = (said: unknown) =>
  each(said, ({ severity }) =>
    severity === "none"
      ? false
      : ["mild", "moderate", "severe"].includes(severity as string)
        ? true
        : null,
  );

const TABLE: readonly Row[] = [
  { path: "hippocampal_volume_total", role: "measured", of: "volumes_mm3.hippocampus_total.value" },
  { path: "cortical_thickness_mean", role: "measured", of: "thickness_mm.cortex_mean.value" },
  { path: "total_brain_volume", role: "measured", of: "volumes_mm3.total_brain.value" },
  { path: "atrophy_severity", role: "scored", of: "overall" },
  { path: "atrophy_detected", role: "scored", of: "regions", take: detected },
  ...["quality", "engine", "person"].map((name) => ({ path: name, role: "measured", of: name })),
  ...["manufacturer", "scanner_model", "field_strength_t", "spacing_mm", "series"].map((name) => ({
    path: `acquisition.${name}`,
    role: "measured",
    of: `acquisition.${name}`,
  })),
  ...GROUPS.flatMap((group) => [
    { path: group, role: "measured", of: group, take: values },
    { path: `errors_sd.${group}`, role: "measured", of: group, take: errors },
    { path: `ml_features.${group}`, role: "features", of: group, take: values },
  ]),
  ...["asymmetry_percent", "ratios"].flatMap((group) =>
    ["ml_features", "atrophy"].map((place) => ({
      path: `${place}.${group}`,
      role: "scored",
      of: group,
      take: values,
    })),
  ),
  ...ATROPHY.split(" ").map((name) => ({ path: `atrophy.${name}`, role: "scored", of: name })),
  { path: "atrophy.overall_at_least", role: "scored", of: "overall_at_least", otherwise: false },
  ...RISK.split(" ").map((name) => ({ path: `risk.${name}`, role: "predicted", of: name })),
  ...["model", "reasons", "missing"].map((name) => ({
    path: `risk_withheld.${name}`,
    role: "withheld",
    of: name,
  })),
  { path: "proof.scan.sha256", role: "received", of: "archive.sha256" },
  { path: "proof.scan.instances", role: "received", of: "instances" },
  { path: "proof.engine", role: "measured", of: "engine" },
  { path: "proof.packs", role: "scored", of: "packs" },
  { path: "proof.model", role: "answered", of: "model" },
];

/** What the events are to the result, by their types; at most one of each. */
export function byRole(events: readonly { type: string; data: Document }[]): Map<string, Document> {
  const found = new Map<string, Document>();
  for (const { type, data } of events) {
    const role = ROLES[type];
    if (role === undefined) continue;
    if (found.has(role)) throw new Unverified("malformed_result", "an event is there twice");
    found.set(role, data);
    if (role === "answered")
      found.set(type.includes(".predicted.") ? "predicted" : "withheld", data);
  }
  const scored = found.get("scored");
  if (scored && !found.has("measured")) found.set("measured", scored);
  const measured = found.get("measured");
  if (scored && measured) found.set("features", measured);
  return found;
}

/**
 * Compare a result with what the events say; throws `changed_value` at the first difference.
 *
 * Gives the paths whose values stand in an event, and those that no event speaks of.
 */
export function compare(
  result: Document,
  events: Map<string, Document>,
): { proven: string[]; unproven: string[] } {
  const proven: string[] = [];
  const unproven: string[] = [];
  for (const row of TABLE) {
    const event = events.get(row.role);
    const given = leaves(at(result, row.path));
    const said = event && (row.take ?? ((whole) => whole))(at(event, row.of));
    const expected = leaves(said ?? row.otherwise);
    const different = firstDifference(given, expected);
    if (different === null) {
      if (event && given.size > 0) proven.push(row.path);
    } else if (event) {
      throw new Changed([row.path, different].filter(Boolean).join("."));
    } else {
      unproven.push(row.path);
    }
  }
  return { proven, unproven };
}

/** A value of a result is not what the log holds. */
export class Changed extends Unverified {
  constructor(readonly path: string) {
    super("changed_value", "a value is not what the log holds");
  }
}

function firstDifference(given: Map<string, unknown>, expected: Map<string, unknown>) {
  for (const path of [...given.keys(), ...expected.keys()])
    if (given.get(path) !== expected.get(path)) return path;
  return null;
}

/** Every value with its path; null, and what is empty, is the same as not there. */
function leaves(value: unknown, path = ""): Map<string, unknown> {
  if (value === null || value === undefined) return new Map();
  if (typeof value !== "object") return new Map([[path, value]]);
  return new Map(
    Object.entries(value).flatMap(([name, inner]) => [
      ...leaves(inner, path ? `${path}.${name}` : name),
    ]),
  );
}

function at(document: unknown, dotted: string): unknown {
  return dotted
    .split(".")
    .reduce((found: unknown, name) => (found as Document | null | undefined)?.[name], document);
}
