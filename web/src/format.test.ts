// SPDX-License-Identifier: Apache-2.0
import { expect, it } from "vitest";
import { centile, number, plural, signed, size, thickness, volume, volumeChange } from "./format";

const plain = (text: string) => text.replaceAll("\u00a0", " ");

it("writes a volume with its error and no more decimals than are worth reading", () => {
  expect(plain(volume(3712.4, 61))).toBe("3.71 ± 0.06 mL");
  expect(plain(volume(22_740, 500))).toBe("22.7 ± 0.5 mL");
  expect(plain(volume(1_250_816))).toBe("1,251 mL");
  expect(plain(volume(3712.4, null))).toBe("3.71 mL");
  expect(plain(thickness(2.413, 0.04))).toBe("2.41 ± 0.04 mm");
});

it("writes a change of a volume with the decimals of the volumes", () => {
  expect(plain(volumeChange(2700, 2500))).toBe("−0.20 mL");
  expect(plain(volumeChange(284_100, 284_900))).toBe("+1 mL");
  expect(plain(volumeChange(284_100, 284_240))).toBe("0 mL");
});

it("never breaks a number from its unit", () => {
  expect(volume(3712.4, 61)).not.toContain(" ");
  expect(signed(2.4, " %")).not.toContain(" ");
});

it("writes signs as signs", () => {
  expect(signed(1.26)).toBe("+1.3");
  expect(signed(-1.26)).toBe("−1.3");
  expect([0, -0.04, 0.04].map((value) => plain(signed(value, " %")))).toEqual(
    Array(3).fill("0.0 %"),
  );
});

it("does not tell the ends of centiles apart", () => {
  expect(centile(0.2, [0.01, 3.2])).toBe("below 1 (below 1 to 3)");
  expect(centile(99.6, null)).toBe("above 99");
  expect(centile(50)).toBe("50");
});

it("writes inputs, sizes and counts", () => {
  expect([26, 0.12345, 12345.6, -1.4517].map(number)).toEqual(["26", "0.123", "12,346", "−1.45"]);
  expect([size(13_400_000), size(2_340_000), size(10)].map(plain)).toEqual([
    "13 MB",
    "2.3 MB",
    "under 0.1 MB",
  ]);
  expect([plural(1, "image", "images"), plural(1200, "image", "images")]).toEqual([
    "1 image",
    "1,200 images",
  ]);
});
