// SPDX-License-Identifier: Apache-2.0
import { cleanup, render } from "@testing-library/react";
import { afterEach, describe, expect, it } from "vitest";
import { analysis, CHANGE } from "../brain/sample";
import type { Change } from "../contracts/events";
import type { Analysis } from "../documents";
import { inOrder, Row } from "./compare";

function pair(change: Record<string, Change>, reasons: Record<string, string> = {}) {
  const earlier = analysis({ imaging_id: "earlier", volumes_mm3: { hippocampus_left: 2700 } });
  const later = analysis();
  const atrophy = { ...later.atrophy, change, earlier_scans: ["earlier"] };
  return [
    earlier,
    { ...later, atrophy, reasons: { ...later.reasons, atrophy: reasons } },
  ] as const satisfies [Analysis, Analysis];
}

function row(change: Record<string, Change>, reasons?: Record<string, string>): string[] {
  const [earlier, later] = pair(change, reasons);
  const { container } = render(
    <table>
      <tbody>
        <Row name="hippocampus_left" earlier={earlier} later={later} />
      </tbody>
    </table>,
  );
  return [...container.querySelectorAll("th,td")].map((cell) =>
    (cell.textContent ?? "").replaceAll("\u00a0", " "),
  );
}

afterEach(cleanup);

describe("two scans", () => {
  it("stand in the order that the platform set, whichever is asked for first", () => {
    const [earlier, later] = pair({});
    expect(inOrder([later, earlier])?.map((scan) => scan.imaging_id)).toEqual(["earlier", "later"]);
    expect(inOrder([earlier, later])?.map((scan) => scan.imaging_id)).toEqual(["earlier", "later"]);
  });
  it("are not compared where the platform has not", () => {
    expect(inOrder([analysis(), analysis({ imaging_id: "another" })])).toBeNull();
  });
  it("show the change that the platform said, with its interval", () => {
    expect(row({ hippocampus_left: CHANGE })).toEqual([
      "Hippocampus, left",
      "2.70 ± 0.20 mL",
      "2.50 ± 0.20 mL",
      "−0.20 mL",
      "−3.4 %",
      "−6.5 % to −0.3 %",
    ]);
  });
  it("say when it lies in the noise, and when more scans went into it", () => {
    const change = { ...CHANGE, scans: 3, within_measurement_noise: true };
    expect(row({ hippocampus_left: change })[4]).toBe(
      "−3.4 % (over 3 scans, within measurement noise)",
    );
  });
  it("show no difference where a change was withheld, but why", () => {
    const withheld = { ...CHANGE, percent_per_year: null, reason: "other_scanner" } as Change;
    expect(row({ hippocampus_left: withheld }).slice(3)).toEqual(["other scanner"]);
    cleanup();
    expect(row({}, { change: "no_interval" }).slice(3)).toEqual(["no interval"]);
  });
  it("say why an interval is missing", () => {
    const unsure = { ...CHANGE, ci95_percent_per_year: null, error_reason: "no_error" } as Change;
    expect(row({ hippocampus_left: unsure })[5]).toBe("no error");
  });
});
