// SPDX-License-Identifier: Apache-2.0
// Nobody is there: a warning, then nothing is left, in any page of this browser.
import assert from "node:assert/strict";
import { test } from "node:test";
import { usable } from "./axe.mjs";
import { asked, browserFor, platform, signedIn } from "./visit.mjs";

test("a page that nobody uses signs out", async (t) => {
  const browser = await browserFor(t);
  const { page, context } = await signedIn(browser, "anna", "/sharing");
  const { idle_minutes } = await asked("anna", "GET", "/api/v1/sessions");
  await page.clock.install();
  await page.reload();
  await page.getByText("Who may see your results").waitFor();
  const other = await context.newPage();
  await other.goto(`${platform.url}/`);
  await other.locator("h1").waitFor();
  await page.clock.fastForward((idle_minutes - 1) * 60_000 + 1000);
  await page.locator("dialog[open]").waitFor();
  await usable(page, "the warning");
  await page.clock.fastForward(61_000);
  await page.getByText("Please sign in").waitFor();
  assert.equal(await page.locator("table").count(), 0);
  await other.getByText("Please sign in").waitFor();
});
