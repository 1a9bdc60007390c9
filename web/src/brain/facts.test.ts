// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from "vitest";
import { NO_Z } from "./colour";
import { factsOf, isAlert, lines, spoken, verdict } from "./facts";
import { coloursOf, inksOf, looksOf } from "./looks";
import { analysis } from "./sample";

const facts = factsOf(analysis());
const of = (key: string) => {
  const found = facts.find((each) => each.key === key);
  if (!found) throw new Error(`no ${key}`);
  return found;
};
const spaces = (text: string) => text.replaceAll("\u00a0", " ");

describe("the facts", () => {
  it("have what lies furthest outside first and what was not compared last", () => {
    expect(facts.map(({ key }) => key).slice(0, 2)).toEqual([
      "hippocampus_left",
      "hippocampus_right",
    ]);
    expect(of("cerebellum").structures).toEqual(["cerebellar_cortex", "cerebellar_white"]);
  });
  it("are said with unit and error", () => {
    expect(lines(of("hippocampus_left")).map(([name, value]) => [name, spaces(value)])).toEqual([
      ["Volume", "2.50 ± 0.20 mL"],
      ["Expected", "3.70 mL"],
      ["z", "−2.7 ± 0.8"],
      ["Centile", "below 1 (below 1 to 4)"],
    ]);
    expect(spaces(spoken(of("hippocampus_left")))).toContain(
      "Hippocampus, left: Volume 2.50 ± 0.20 mL;",
    );
  });
  it("say low for age, and why where nothing is compared", () => {
    expect(verdict(of("hippocampus_left"))).toBe("moderately low for age");
    expect(verdict(of("hippocampus_right"))).toBe("within the usual range for age");
    expect(verdict(of("amygdala_left"))).toBe("not compared: no norm for region");
    expect(lines(of("third_ventricle"))).toEqual([["Volume", "not measured"]]);
  });
  it("alert from mild on", () => {
    expect(facts.filter(isAlert).map(({ key }) => key)).toEqual(["hippocampus_left"]);
  });
});

describe("the looks", () => {
  it("follow z, and grey is what was not compared", () => {
    const looks = looksOf(facts, "hippocampus_right");
    expect(looks["hippocampus_left"]).toMatchObject({ alert: true, chosen: false });
    expect(looks["hippocampus_right"]).toMatchObject({ alert: false, chosen: true });
    expect(looks["amygdala_left"]?.colour).toBe(NO_Z);
    expect(coloursOf(facts)["hippocampus_left"]).toBe(looks["hippocampus_left"]?.colour);
  });
  it("ink only what was compared, and what is chosen", () => {
    expect([...inksOf(facts, null).keys()]).toEqual([17, 53]);
    expect([...inksOf(facts, "amygdala_left").keys()]).toEqual([17, 53, 18]);
  });
});
