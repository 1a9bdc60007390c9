// SPDX-License-Identifier: Apache-2.0
// Numbers as people read them: a unit, an error, and no more decimals than are worth reading.
const MM3_PER_ML = 1000;
const NO_BREAK = "\u00a0";

function fixed(value: number, decimals: number): string {
  return value.toLocaleString("en-US", {
    minimumFractionDigits: decimals,
    maximumFractionDigits: decimals,
  });
}

/** A volume in mL with one standard deviation of its error. */
export function volume(mm3: number, errorSdMm3?: number | null): string {
  const ml = mm3 / MM3_PER_ML;
  const decimals = decimalsOf(ml);
  const spread = errorSdMm3 == null ? "" : ` ± ${fixed(errorSdMm3 / MM3_PER_ML, decimals)}`;
  return `${fixed(ml, decimals)}${spread} mL`.replaceAll(" ", NO_BREAK);
}

/** How much larger or smaller a volume is than an earlier one, with the decimals that both have. */
export function volumeChange(wasMm3: number, isMm3: number): string {
  const [was, is] = [wasMm3 / MM3_PER_ML, isMm3 / MM3_PER_ML];
  return signed(is - was, " mL", Math.min(decimalsOf(was), decimalsOf(is)));
}

function decimalsOf(ml: number): number {
  if (Math.abs(ml) < 20) return 2;
  return Math.abs(ml) < 100 ? 1 : 0;
}

/** A thickness in mm with one standard deviation of its error. */
export function thickness(mm: number, errorSdMm?: number | null): string {
  const spread = errorSdMm == null ? "" : ` ± ${errorSdMm.toFixed(2)}`;
  return `${mm.toFixed(2)}${spread} mm`.replaceAll(" ", NO_BREAK);
}

/** A number with its sign, a true minus, and its unit; what is read as nothing has no sign. */
export function signed(value: number, unit = "", decimals = 1): string {
  const text = Math.abs(value).toFixed(decimals);
  const sign = Number(text) === 0 ? "" : value < 0 ? "−" : "+";
  return `${sign}${text}${unit}`.replaceAll(" ", NO_BREAK);
}

/** A centile with its 80 % band; the ends are not told apart finer than 1 %. */
export function centile(percent: number, band?: readonly [number, number] | null): string {
  if (!band) return edge(percent);
  return `${edge(percent)} (${edge(band[0])} to ${edge(band[1])})`;
}

function edge(percent: number): string {
  if (percent < 1) return "below 1";
  return percent > 99 ? "above 99" : percent.toFixed(0);
}

/** A size of files. */
export function size(bytes: number): string {
  const mb = bytes / 1e6;
  const text = mb >= 10 ? fixed(mb, 0) : mb >= 0.1 ? fixed(mb, 1) : "under 0.1";
  return `${text} MB`.replaceAll(" ", NO_BREAK);
}

/** A moment, in the reader's own zone. */
export function moment(iso: string): string {
  return new Date(iso).toLocaleString("en-GB", { dateStyle: "medium", timeStyle: "short" });
}

/** How many of something. */
export function plural(count: number, one: string, many: string): string {
  return `${fixed(count, 0)} ${count === 1 ? one : many}`;
}

/** A code as words. */
export function plain(code: string): string {
  return code.replaceAll("_", " ");
}

/** A model's input: whole numbers as such, others with three digits. */
export function number(value: number): string {
  const text =
    Number.isInteger(value) || Math.abs(value) >= 1000
      ? fixed(value, 0)
      : value.toLocaleString("en-US", { maximumSignificantDigits: 3 });
  return text.replace("-", "−");
}
