// SPDX-License-Identifier: Apache-2.0
// A patient sends a scan and reads its result; what is no MRI of a head is refused in words.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { browserFor, picture, platform, signedIn } from "./visit.mjs";

const MEASURED_MS = 120_000;
// One scan shows what is low for age; the model says how similar somebody is to groups.
const NEVER = /\b(you have|has (dementia|alzheimer|atrophy)|will (have|get|develop)|suffers?)\b/i;

test("a folder is sent, followed and read", async (t) => {
  const browser = await browserFor(t);
  const { page, wrong } = await signedIn(browser, "anna", "/upload");
  await page.locator('input[type="file"]').nth(1).setInputFiles(platform.second);
  await page.getByText("Suggested").waitFor();
  await picture(page, "upload");
  await page.getByRole("button", { name: /^Send this series/ }).click();
  await page.getByText("Received").first().waitFor();
  const result = page.getByRole("link", { name: "See the result" });
  await result.waitFor({ timeout: MEASURED_MS });
  await result.click();
  await page.getByRole("heading", { level: 1, name: "Result of a brain scan" }).waitFor();
  await page.getByText("Hippocampi").first().waitFor();
  const text = await page.locator("main").innerText();
  assert.match(text, /\d\.\d\d\s±\s\d\.\d\d\smL/);
  assert.match(text, /for\sage/);
  assert.match(text, /95\s%\sinterval/);
  assert.doesNotMatch(text, NEVER);
  assert.ok(await page.getByText("Research use, not a diagnosis").first().isVisible());
  await page.locator(".brain-stage canvas").waitFor();
  await picture(page, "result", { fullPage: true });
  const [download] = await Promise.all([
    page.waitForEvent("download"),
    page.getByRole("link", { name: "Report in plain words (PDF)" }).click(),
  ]);
  assert.ok(
    readFileSync(await download.path())
      .subarray(0, 5)
      .equals(Buffer.from("%PDF-")),
  );
  assert.deepEqual(wrong, []);
});

test("a computed tomography is refused with what to do", async (t) => {
  const browser = await browserFor(t);
  const { page } = await signedIn(browser, "anna", "/upload");
  await page.locator('input[type="file"]').nth(1).setInputFiles(platform.tomography);
  await page.getByText("This is not an MR image.").first().waitFor();
  await page.locator('.series input[type="checkbox"]').first().check();
  await page.getByRole("button", { name: /^Send this series/ }).click();
  const refusal = page.getByRole("alert");
  await refusal.waitFor();
  const text = await refusal.innerText();
  assert.match(text, /Send an MRI of the head/);
  assert.match(text, /unsupported_modality/);
  assert.equal(await page.getByRole("link", { name: "See the result" }).count(), 0);
});
