// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from "vitest";
import { colourOf, NO_Z, rgb, SCALE, SHELL } from "./colour";

describe("the scale", () => {
  it("has its own colours at whole z", () => {
    expect([-3, -2, -1, 0, 1, 2, 3].map((z) => colourOf(z))).toEqual(SCALE);
  });
  it("mixes between them, and ends at its ends", () => {
    expect(colourOf(-2.5)).toBe("#d15147");
    expect(colourOf(-9)).toBe(SCALE[0]);
    expect(colourOf(9)).toBe(SCALE[6]);
  });
  it("has a grey of its own for what was not compared", () => {
    expect(colourOf(null, "amygdala_left")).toBe(NO_Z);
    expect(colourOf(null, "cortex_left")).toBe(SHELL);
    expect(SCALE).not.toContain(NO_Z);
  });
  it("tells low from high to who does not see red or green: by blue against red", () => {
    const [low, high] = [rgb(colourOf(-2)), rgb(colourOf(2))];
    expect(low[2]).toBeLessThan(low[0]);
    expect(high[2]).toBeGreaterThan(high[0]);
  });
});
