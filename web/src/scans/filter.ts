// SPDX-License-Identifier: Apache-2.0
// Which scans of a list are shown. The filter is the address's query, so that it can be shared.
import type { ScanSummary } from "../documents";
import type { Query } from "../http";

const NAMES = ["user_id", "q", "status", "severity", "from", "to"] as const;

/** By the names of the API's parameters; `from` and `to` are days, both included. */
export type Filter = Record<(typeof NAMES)[number], string>;

export function filterOf(query: string): Filter {
  const given = new URLSearchParams(query);
  return Object.fromEntries(NAMES.map((name) => [name, given.get(name) ?? ""])) as Filter;
}

/** The query of a filter; empty where everything is shown. */
export function queryOf(filter: Filter): string {
  const given = NAMES.filter((name) => filter[name] !== "").map((name) => [name, filter[name]]);
  return given.length ? `?${new URLSearchParams(given)}` : "";
}

/** What the API is asked for: days are those of whoever looks. */
export function asked(filter: Filter): Query {
  return { ...filter, from: midnight(filter.from, 0), to: midnight(filter.to, 1) };
}

/** When a day begins, or one some days later; what is no day is for the API to refuse. */
function midnight(day: string, later: number): string {
  const at = new Date(`${day}T00:00`);
  if (Number.isNaN(at.getTime())) return day;
  at.setDate(at.getDate() + later);
  return at.toISOString();
}

/** Two scans can be compared when both are done and of one person. */
export function comparable(one: ScanSummary | undefined, other: ScanSummary | undefined): boolean {
  if (!one || !other || one.imaging_id === other.imaging_id) return false;
  const done = one.status === "completed" && other.status === "completed";
  return done && one.user_id !== null && one.user_id === other.user_id;
}

/** The address where two scans are compared, the newer one beside the older. */
export function comparePath(one: ScanSummary, other: ScanSummary): string {
  const [newer, older] = one.created_at >= other.created_at ? [one, other] : [other, one];
  return `/imaging/${newer.imaging_id}/compare/${older.imaging_id}`;
}
