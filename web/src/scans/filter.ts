// SPDX-License-Identifier: Apache-2.0
// Which scans of a list are shown. The filter is the address's query, so that it can be shared.
import type { ScanSummary } from "../documents";

export interface Filter {
  text: string;
  status: string;
  severity: string;
}

const NAMES = { text: "q", status: "status", severity: "severity" } as const;

export function filterOf(query: string): Filter {
  const given = new URLSearchParams(query);
  const value = (name: keyof Filter) => given.get(NAMES[name]) ?? "";
  return { text: value("text"), status: value("status"), severity: value("severity") };
}

/** The query of a filter; empty where everything is shown. */
export function queryOf(filter: Filter): string {
  const given = (Object.keys(NAMES) as (keyof Filter)[])
    .filter((name) => filter[name] !== "")
    .map((name) => [NAMES[name], filter[name]]);
  return given.length ? `?${new URLSearchParams(given)}` : "";
}

export function matches(scan: ScanSummary, { text, status, severity }: Filter): boolean {
  const wanted = text.trim().toLowerCase();
  const named = [scan.imaging_id, scan.user_id ?? ""].some((part) =>
    part.toLowerCase().includes(wanted),
  );
  return (
    named &&
    (status === "" || scan.status === status) &&
    (severity === "" || scan.atrophy_severity === severity)
  );
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
