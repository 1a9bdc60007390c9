// SPDX-License-Identifier: Apache-2.0
import { cleanup, fireEvent, render, screen } from "@testing-library/react";
import { useState } from "react";
import { afterEach, describe, expect, it } from "vitest";
import { Alerts } from "./alerts";
import { factsOf } from "./facts";
import { FactsTable } from "./facts-table";
import { coloursOf } from "./looks";
import { analysis } from "./sample";
import { StructureList } from "./structure-list";
import { Tip } from "./tip";

const facts = factsOf(analysis());

function Listed() {
  const [chosen, choose] = useState<string | null>(null);
  return <StructureList facts={facts} colours={coloursOf(facts)} chosen={chosen} choose={choose} />;
}

const selected = () =>
  screen
    .getAllByRole("option")
    .filter((option) => option.getAttribute("aria-selected") === "true")
    .map((option) => option.textContent);

afterEach(cleanup);

describe("the list of structures", () => {
  it("goes by arrows, ends at its ends, and Escape leaves", () => {
    render(<Listed />);
    const list = screen.getByRole("listbox");
    const press = (key: string) => fireEvent.keyDown(list, { key });
    press("ArrowDown");
    expect(selected()[0]).toContain("Hippocampus, left−2.7moderately low for age");
    expect(list.getAttribute("aria-activedescendant")).toMatch(/hippocampus_left$/);
    press("ArrowDown");
    expect(selected()[0]).toContain("Hippocampus, right");
    press("Home");
    press("ArrowUp");
    expect(selected()[0]).toContain("Hippocampus, left");
    press("End");
    press("ArrowDown");
    expect(selected()).toHaveLength(1);
    press("Escape");
    expect(selected()).toEqual([]);
    expect(list.hasAttribute("aria-activedescendant")).toBe(false);
  });
  it("goes by first letters, one after the other", () => {
    render(<Listed />);
    const list = screen.getByRole("listbox");
    fireEvent.keyDown(list, { key: "t" });
    const first = selected()[0];
    fireEvent.keyDown(list, { key: "t" });
    expect(first).toMatch(/^T/);
    expect(selected()[0]).toMatch(/^T/);
    expect(selected()[0]).not.toBe(first);
  });
  it("is chosen from, and left, by a touch", () => {
    render(<Listed />);
    const option = screen.getByText("Amygdala, left");
    fireEvent.click(option);
    expect(selected()[0]).toContain("Amygdala, left");
    fireEvent.click(option);
    expect(selected()).toEqual([]);
  });
});

describe("beside it", () => {
  it("a tip says name, volume with error, expected, z, centile and the word", () => {
    const [first] = facts;
    if (!first) throw new Error("no facts");
    const { container } = render(<Tip facts={first} colour="#ffffff" />);
    const text = container.textContent?.replaceAll("\u00a0", " ");
    for (const said of ["Hippocampus, left", "2.50 ± 0.20 mL", "3.70 mL", "−2.7 ± 0.8", "below 1"])
      expect(text).toContain(said);
    expect(text).toContain("moderately low for age");
  });
  it("a table says all of it to who hears the page", () => {
    render(<FactsTable facts={facts} />);
    expect(screen.getAllByRole("row")).toHaveLength(facts.length + 1);
    expect(screen.getByRole("row", { name: /Amygdala, left/ }).textContent).toContain(
      "not compared: no norm for region",
    );
  });
  it("alerts are words, and lead to the structure", () => {
    let asked = "";
    render(<Alerts facts={facts} choose={(key) => (asked = key)} />);
    fireEvent.click(screen.getByRole("button"));
    expect(asked).toBe("hippocampus_left");
  });
  it("without alerts it is said how many were compared", () => {
    const usual = facts.filter(({ severity }) => severity !== "moderate");
    render(<Alerts facts={usual} choose={() => undefined} />);
    expect(screen.getByText(/^1 of these/)).toBeTruthy();
  });
});
