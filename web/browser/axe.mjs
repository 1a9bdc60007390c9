// SPDX-License-Identifier: Apache-2.0
// axe-core over a page, as somebody else's judgement on whether everybody can use it.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const SERIOUS = ["serious", "critical"];

/** Find nothing serious.
 * @param {import("playwright-core").Page} page
 * @param {string} name of what is judged */
export async function usable(page, name) {
  await page.evaluate(AXE); // from the debugger: the page's content security policy stays as it is
  const { violations } = await page.evaluate(() =>
    /** @type {any} */ (window).axe.run(document, { resultTypes: ["violations"] }),
  );
  const serious = violations
    .filter((/** @type {any} */ { impact }) => SERIOUS.includes(impact))
    .map((/** @type {any} */ { id, nodes }) => `${id}: ${nodes.map((n) => n.target).join(" | ")}`);
  assert.deepEqual(serious, [], name);
}
