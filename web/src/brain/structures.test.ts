// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from "vitest";
import { messages } from "../messages/en";
import { isShell, numbersOf, regionOf, STRUCTURES, structureOf } from "./structures";

/** Names of the surfaces in the file that the demo's scan was given. */
const SURFACES = `accumbens_left accumbens_right amygdala_left amygdala_right brainstem caudate_left
caudate_right cerebellar_cortex cerebellar_white cortex_left cortex_right fourth_ventricle
hippocampus_left hippocampus_right inferior_lateral_ventricle_left
inferior_lateral_ventricle_right lateral_ventricle_left lateral_ventricle_right pallidum_left
pallidum_right putamen_left putamen_right thalamus_left thalamus_right third_ventricle
ventral_left ventral_right white_left white_right`.split(/\s+/);

describe("structures", () => {
  it("are those that the platform makes surfaces of", () => {
    expect([...STRUCTURES].sort()).toEqual(SURFACES.sort());
  });
  it("have a name that people read", () => {
    for (const key of SURFACES.map(regionOf)) {
      expect(messages.names[key] ?? messages.brain.structures[key]).toBeTruthy();
    }
  });
  it("are measured under the names of the analysis", () => {
    expect(regionOf("brainstem")).toBe("brain_stem");
    expect(regionOf("cortex_left")).toBe("cortical_grey_left");
    expect(regionOf("white_right")).toBe("cerebral_white_right");
    expect(regionOf("cerebellar_cortex")).toBe("cerebellum");
    expect(regionOf("cerebellar_white")).toBe("cerebellum");
    expect(regionOf("hippocampus_left")).toBe("hippocampus_left");
  });
  it("are found by FreeSurfer's numbers", () => {
    expect(structureOf(17)).toBe("hippocampus_left");
    expect(structureOf(53)).toBe("hippocampus_right");
    expect(structureOf(47)).toBe("cerebellar_cortex");
    expect(structureOf(24)).toBeUndefined();
    expect(structureOf(0)).toBeUndefined();
    for (const name of STRUCTURES) {
      expect(numbersOf(name).map(structureOf)).toEqual(numbersOf(name).map(() => name));
    }
  });
  it("are looked through where they lie around others", () => {
    expect(STRUCTURES.filter(isShell)).toHaveLength(6);
  });
});
