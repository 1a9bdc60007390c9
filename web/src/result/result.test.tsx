// SPDX-License-Identifier: Apache-2.0
import { cleanup, render, screen, within } from "@testing-library/react";
import { afterEach, describe, expect, it } from "vitest";
import example from "../../../libs/common/examples/memoryguard.atrophy.scored.v1.json";
import type { Analysis } from "../documents";
import { Changes, healthyOf } from "./change";
import { Lead } from "./lead";
import { comparedOf, Norms } from "./norms";
import { Volumes } from "./volumes";

afterEach(cleanup);

/** An answer of the API, made of the golden event of the score. */
function document(): Analysis {
  const said = example.data;
  const values = Object.entries(said.volumes_mm3 as Record<string, { value: number | null }>);
  return {
    quality: said.quality,
    person: said.person,
    volumes_mm3: Object.fromEntries(values.map(([name, { value }]) => [name, value])),
    thickness_mm: { cortex_mean: null },
    errors_sd: { volumes_mm3: { hippocampus_total: 130 }, thickness_mm: {} },
    atrophy: { ...said, asymmetry_percent: {}, ratios: {} },
    reasons: {
      volumes_mm3: {},
      thickness_mm: { cortex_mean: "not_measured_by_engine" },
      atrophy: {},
      risk: [],
      asymmetry_percent: {},
      ratios: {},
    },
  } as unknown as Analysis;
}

const plain = (text: string | null | undefined) => (text ?? "").replaceAll("\u00a0", " ");

describe("the summary", () => {
  it("says low for age, never loss, and that what was noticed of the quality", () => {
    const { container } = render(<Lead document={document()} />);
    const said = plain(container.textContent);
    expect(said).toContain("Hippocampi, both: mildly low for age.");
    expect(said).toContain("5.90 ± 0.13 mL");
    expect(said).toContain("The scan can be measured, with reservations.");
    expect(said).toContain("The scanner is not stated");
    expect(said).not.toMatch(/\b(has|will|loss|lost|atrophy|disease)\b/i);
  });
});

describe("the age curve", () => {
  it("is drawn for what has one, in mL, with earlier scans at their age", () => {
    const [compared, ...others] = comparedOf(document());
    expect(others).toEqual([]);
    expect(compared?.region).toBe("hippocampus_total");
    expect(compared?.curve.p50).toEqual([6.9, 6.3]);
    expect(compared?.dot.value).toBe(5.9);
    expect(
      compared?.earlier.map(({ age, value }) => [age - (compared?.dot.age ?? 0), value]),
    ).toEqual([[-1.5, 6.08]]);
  });

  it("stands in a table as well", () => {
    render(<Norms document={document()} />);
    const table = screen.getByRole("table", { hidden: true });
    const rows = within(table).getAllByRole("row", { hidden: true });
    expect(rows.map((row) => row.textContent)).toEqual([
      "Age5th25thMedian75th95th",
      "606.006.506.907.307.80",
      "805.405.906.306.707.20",
    ]);
  });

  it("is not drawn for what was said before there were curves, or without an age", () => {
    const old = document();
    for (const score of Object.values(old.atrophy.regions))
      delete (score as { curve?: unknown }).curve;
    expect(comparedOf(old)).toEqual([]);
    expect(comparedOf({ ...document(), person: null })).toEqual([]);
    const { container } = render(<Norms document={old} />);
    expect(container.textContent).toBe("");
  });
});

describe("the tables", () => {
  it("keep what has no norm, and what has no value, apart with the reason", () => {
    const { container } = render(<Volumes document={document()} />);
    const said = plain(container.textContent);
    expect(said).toContain("5.90 ± 0.13 mL");
    expect(said).toContain("−1.7 ± 0.1");
    // The median as the engine measures, not what the norm's own software would.
    expect(said).toContain("6.54 mL");
    expect(said).not.toContain("6.80 mL");
    expect(said).toContain("not measured by engine");
  });

  it("give a change with its interval, and why there is none", () => {
    const { container } = render(<Changes document={document()} />);
    expect(plain(container.textContent)).toContain("−2.0 % a year, 95 % interval −4.2 % to +0.2 %");
    cleanup();
    const first = document();
    first.atrophy.change = {};
    first.reasons.atrophy["change"] = "fewer_than_two_scans";
    const none = render(<Changes document={first} />);
    expect(none.container.textContent).toContain("fewer than two scans");
  });

  it("take as healthy only groups that are called so", () => {
    const published = { "healthy, A": -1, "Healthy, B": -0.5, "unhealthy, C": -9, "AD, D": -4 };
    const change = { published_percent_per_year: published } as unknown as Parameters<
      typeof healthyOf
    >[0];
    expect(healthyOf(change)).toEqual([-1, -0.5]);
  });
});
