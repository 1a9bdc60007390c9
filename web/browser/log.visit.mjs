// SPDX-License-Identifier: Apache-2.0
// The log is checked in the browser itself: by an officer entry by entry, by a patient for a result.
import assert from "node:assert/strict";
import { test } from "node:test";
import { usable } from "./axe.mjs";
import { browserFor, picture, platform, signedIn } from "./visit.mjs";

test("an entry's proof holds, and with one altered byte it does not", async (t) => {
  const browser = await browserFor(t);
  const { page } = await signedIn(browser, "olga", "/log");
  const button = page.getByRole("button", { name: /^Check the proof of entry/ }).last();
  await page.waitForLoadState("networkidle"); // then the list stays as it is
  await button.press("Enter");
  await page.locator("dialog .verdict.passed").waitFor();
  await page.locator("dialog summary").first().click();
  await usable(page, "a proof");
  await picture(page, "proof");
  await page.getByRole("button", { name: "Alter one byte" }).click();
  await page.locator("dialog li.failed").first().waitFor();
  await usable(page, "a proof that fails");
  await page.keyboard.press("Escape");
  assert.equal(await page.locator("dialog").count(), 0);
  assert.ok(await button.evaluate((node) => node === document.activeElement), "the focus is back");
  await page.reload();
  await page.getByText("is the beginning of this one").waitFor(); // that of the last visit
});

test("a result's numbers are those of the log", async (t) => {
  const browser = await browserFor(t, { webGl: false });
  const { page } = await signedIn(browser, "anna", `/imaging/${platform.scan}`);
  await page.getByRole("button", { name: "Check this result" }).click();
  await page.locator(".proof .verdict.passed").waitFor();
});
