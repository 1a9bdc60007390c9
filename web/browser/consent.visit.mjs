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

test("who looked is told to the patient", async (t) => {
  const browser = await browserFor(t);
  await asked("dora", "GET", `/api/v1/imaging/${platform.scan}/analysis`);
  const { page } = await signedIn(browser, "anna", "/sharing");
  await page.getByRole("heading", { name: "Who has looked at your data" }).waitFor();
  await page.getByText("dora").first().waitFor();
});

test("an emergency asks for an account and a reason", async (t) => {
  const browser = await browserFor(t);
  const { page } = await signedIn(browser, "dora", "/imaging/no-such-scan");
  await page.getByRole("button", { name: "Open it in an emergency" }).click();
  await page.locator("dialog[open]").waitFor();
  await usable(page, "emergency access");
  await page.keyboard.press("Escape");
  assert.equal(await page.locator("dialog[open]").count(), 0);
});
