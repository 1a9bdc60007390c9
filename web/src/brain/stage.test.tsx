// SPDX-License-Identifier: Apache-2.0
import { cleanup, fireEvent, render, screen } from "@testing-library/react";
import { useState } from "react";
import { afterEach, describe, expect, it } from "vitest";
import { factsOf } from "./facts";
import { analysis } from "./sample";
import { Stage } from "./stage";
import { distanceFor, VIEWS } from "./views";

const facts = factsOf(analysis());

function Shown() {
  const [chosen, choose] = useState<string | null>(null);
  return <Stage facts={facts} surfaces={{ share: 0 }} chosen={chosen} choose={choose} />;
}

afterEach(cleanup);

describe("the stage without WebGL", () => {
  it("says so in a sentence, and keeps list and legend", () => {
    render(<Shown />);
    expect(screen.getByText(/does not draw in 3D/)).toBeTruthy();
    expect(screen.getAllByRole("option")).toHaveLength(facts.length);
    expect(screen.getByRole("figure", { name: "What the colours mean" })).toBeTruthy();
    expect(screen.queryByRole("toolbar")).toBeNull();
  });
  it("speaks what is chosen", () => {
    const { container } = render(<Shown />);
    fireEvent.keyDown(screen.getByRole("listbox"), { key: "ArrowDown" });
    const spoken = container.querySelector("[aria-live=polite]")?.textContent;
    expect(spoken).toMatch(/^Hippocampus, left: Volume .*; moderately low for age\.$/);
    fireEvent.keyDown(screen.getByRole("listbox"), { key: "Escape" });
    expect(container.querySelector("[aria-live=polite]")?.textContent).toBe("");
  });
});

describe("the eye", () => {
  it("stands so far that a ball fits, whatever the shape of the picture", () => {
    expect(distanceFor(100, 1)).toBeCloseTo(386.4, 1);
    expect(distanceFor(100, 2)).toBe(distanceFor(100, 1));
    expect(distanceFor(100, 0.5)).toBeGreaterThan(1.9 * distanceFor(100, 1));
  });
  it("looks at the left side from the left, and has the front up from above and below", () => {
    expect(VIEWS.left[0]).toBeLessThan(0);
    expect(VIEWS.front[1]).toBeGreaterThan(0);
    expect(VIEWS.top[2]).toBeGreaterThan(0);
    expect(VIEWS.top[1]).toBeLessThan(0);
    expect(VIEWS.below[1]).toBeGreaterThan(0);
  });
});
