// SPDX-License-Identifier: Apache-2.0
// What a patient lets a caregiver see, and takes back while the caregiver looks; and what a clinician
// may open in an emergency.
import assert from "node:assert/strict";
import { test } from "node:test";
import { usable } from "./axe.mjs";
import { asked, browserFor, picture, platform, signedIn } from "./visit.mjs";

test("consent is taken back while the result is open", async (t) => {
  const browser = await browserFor(t);
  await asked("anna", "POST", "/api/v1/access/invitations", { grantee_id: "carl" });
  await asked("carl", "POST", "/api/v1/access/grants", { user_id: "anna" });
  const carl = await signedIn(browser, "carl", `/imaging/${platform.scan}`);
  await carl.page.getByText("Hippocampi").first().waitFor();
  const anna = await signedIn(browser, "anna", "/sharing");
  await anna.page.getByRole("button", { name: "Take back what carl may see" }).click();
  await anna.page.locator("dialog[open]").waitFor();
  await usable(anna.page, "the question before consent is taken back");
  await picture(anna.page, "take-back");
  await anna.page.getByRole("button", { name: "Take back now" }).click();
  await carl.page.getByText("This scan is no longer open to you").waitFor();
  assert.equal(await carl.page.locator("table").count(), 0);
  assert.doesNotMatch(await carl.page.locator("main").innerText(), /\smL/);
  await picture(carl.page, "taken-back");
});

test("an emergency opens a scan, and everybody who watches is told", async (t) => {
  const browser = await browserFor(t);
  const { page, wrong } = await signedIn(browser, "dora", `/imaging/${platform.scan}`);
  await page.getByRole("button", { name: "Open it in an emergency" }).click();
  await page.locator("dialog[open]").waitFor();
  await usable(page, "emergency access");
  await picture(page, "emergency");
  await page.keyboard.press("Escape");
  assert.equal(await page.locator("dialog[open]").count(), 0);
  assert.doesNotMatch(await page.locator("main").innerText(), /\smL/);
  await page.getByRole("button", { name: "Open it in an emergency" }).click();
  await page.getByLabel("Account of the person").fill("anna");
  await page.getByLabel("Reason").selectOption({ label: "Somebody's safety" });
  wrong.splice(0); // that it was closed
  await page.getByRole("button", { name: "Open the data" }).click();
  await page.getByText("Hippocampi").first().waitFor();
  await picture(page, "emergency-open");
  assert.deepEqual(wrong, []);

  const anna = await signedIn(browser, "anna", "/sharing");
  await anna.page.getByRole("heading", { name: "Who has looked at your data" }).waitFor();
  const looks = anna.page.getByRole("row").filter({ hasText: "dora" });
  await looks
    .filter({ hasText: "opened your data in an emergency" })
    .getByText("Somebody's safety")
    .waitFor();
  await looks.filter({ hasText: "the results" }).filter({ hasText: "emergency access" }).waitFor();
  await picture(anna.page, "who-looked", { fullPage: true });

  const olga = await signedIn(browser, "olga", "/log");
  await olga.page.getByText("Filter the entries").click();
  await olga.page.getByLabel("By account").fill("dora");
  await olga.page.getByRole("button", { name: "Filter", exact: true }).click();
  await olga.page.getByRole("cell", { name: "access.override" }).first().waitFor();
  await picture(olga.page, "emergency-log", { fullPage: true });
});
