// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from "vitest";
import names from "../../../tests/vectors/contrast/names.json";
import { judge } from "./contrast";
import { header } from "./header.fixture";

const MPRAGE = {
  scanning: ["GR", "IR"],
  threeD: true,
  repetition: 2300,
  echo: 3,
  inversion: 900,
  flip: 9,
};

describe("names, as ingest judges them", () => {
  const looks = (word: string | null) =>
    word === null ? "other" : word === "unspecified" ? "unknown" : "t1";
  it.each(names as [string, string | null][])("%s", (name, word) => {
    expect(judge(header({ names: [name, "", ""] })).looks).toBe(looks(word));
  });
});

it("tells by the timing where there is no name", () => {
  expect(judge(header(MPRAGE))).toMatchObject({ looks: "t1", because: "timing_t1", rank: 0 });
  expect(judge(header({ ...MPRAGE, inversion: null, repetition: 8, flip: 3 })).looks).toBe(
    "unknown",
  );
  const spin = { scanning: ["SE"], echo: 12 };
  expect(judge(header({ ...spin, repetition: 500 })).looks).toBe("t1");
  expect(judge(header({ ...spin, repetition: 3000 })).looks).toBe("other");
});

it("lets physics veto a name", () => {
  const named = { names: ["T1 MPRAGE", "", ""] };
  expect(judge(header({ ...named, echo: 90 })).because).toBe("echo_long");
  expect(judge(header({ ...named, scanning: ["EP"] })).because).toBe("echo_planar");
  expect(judge(header({ ...named, stated: "T2" })).because).toBe("stated_other");
  expect(judge(header({ ...named, imageType: ["DERIVED", "MIP"] })).because).toBe("derived");
  expect(judge(header({ ...named, modality: "CT" })).because).toBe("not_mr");
});
