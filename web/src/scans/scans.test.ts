// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from "vitest";
import type { ScanSummary } from "../documents";
import { asked, comparable, comparePath, filterOf, queryOf } from "./filter";
import { followed, renewed } from "./pages";

function scan(id: string, changed: Partial<ScanSummary> = {}): ScanSummary {
  return {
    imaging_id: id,
    user_id: "anna",
    modality: "MRI",
    status: "completed",
    stage: "explained",
    created_at: `2026-01-0${id}T00:00:00Z`,
    updated_at: "",
    stages: {},
    hippocampal_volume_total: null,
    cortical_thickness_mean: null,
    total_brain_volume: null,
    atrophy_severity: "none",
    ...changed,
  };
}

describe("the filter", () => {
  it("is the query of the address, both ways", () => {
    const filter = { ...filterOf(""), q: "anna b", status: "failed" };
    expect(queryOf(filter)).toBe("?q=anna+b&status=failed");
    expect(filterOf(queryOf(filter))).toEqual(filter);
    expect(queryOf(filterOf("?other=1"))).toBe("");
  });

  it("asks for whole days of whoever looks, the last one included", () => {
    const { from, to } = asked({ ...filterOf(""), from: "2026-02-28", to: "2026-02-28" });
    expect(from).toBe(new Date(2026, 1, 28).toISOString());
    expect(to).toBe(new Date(2026, 2, 1).toISOString());
  });

  it("leaves it to the API to refuse what is no day", () => {
    expect(asked(filterOf("?from=soon"))).toMatchObject({ from: "soon", to: "" });
  });
});

describe("two scans", () => {
  it("of one person, both completed, can be compared: the newer beside the older", () => {
    expect(comparable(scan("1"), scan("2"))).toBe(true);
    expect(comparePath(scan("1"), scan("2"))).toBe("/imaging/2/compare/1");
    expect(comparePath(scan("2"), scan("1"))).toBe("/imaging/2/compare/1");
  });

  it("otherwise cannot", () => {
    expect(comparable(scan("1"), scan("1"))).toBe(false);
    expect(comparable(scan("1"), scan("2", { user_id: "bert" }))).toBe(false);
    expect(comparable(scan("1", { user_id: null }), scan("2", { user_id: null }))).toBe(false);
    expect(comparable(scan("1"), scan("2", { status: "processing" }))).toBe(false);
    expect(comparable(scan("1"), undefined)).toBe(false);
  });
});

describe("pages", () => {
  const ids = ({ scans }: { scans: ScanSummary[] }) => scans.map(({ imaging_id }) => imaging_id);

  it("follow each other, and a scan is there once", () => {
    const first = { scans: [scan("4"), scan("3")], next: "c" };
    const joined = followed(first, { items: [scan("3"), scan("2")], next_cursor: null });
    expect(ids(joined)).toEqual(["4", "3", "2"]);
    expect(joined.next).toBeNull();
  });

  it("are renewed from the newest, and older ones stay", () => {
    const known = { scans: [scan("4"), scan("3"), scan("2"), scan("1")], next: null };
    const page = { items: [scan("5"), scan("4", { status: "failed" })], next_cursor: "c" };
    const now = renewed(known, page);
    expect(ids(now)).toEqual(["5", "4", "3", "2", "1"]);
    expect(now.scans[1]?.status).toBe("failed");
    expect(now.next).toBeNull();
  });

  it("that are the whole list replace it", () => {
    const known = { scans: [scan("4"), scan("3")], next: null };
    expect(ids(renewed(known, { items: [scan("4")], next_cursor: null }))).toEqual(["4"]);
  });
});
