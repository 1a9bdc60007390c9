// SPDX-License-Identifier: Apache-2.0
// A patient sends a scan and reads its result; what is no MRI of a head is refused in words.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { usable } from "./axe.mjs";
import { seen } from "./canvas.mjs";
import { browserFor, drop, PHONE, picture, platform, signedIn } from "./visit.mjs";

const MEASURED_MS = 120_000;
// One scan shows what is low for age; the model says how similar somebody is to groups.
const NEVER = /\b(you have|has (dementia|alzheimer|atrophy)|will (have|get|develop)|suffers?)\b/i;

test("a folder is dropped, sent, followed and read", async (t) => {
  const browser = await browserFor(t);
  const { page, wrong } = await signedIn(browser, "anna", "/upload");
  const zone = page.getByRole("region", { name: "Drop a folder" });
  await drop(page, zone, platform.second, async () => {
    await page.locator(".drop.over").waitFor();
    await picture(page, "drop");
  });
  await page.getByText("Suggested").waitFor();
  await page.getByText("1 series in 160 files.").waitFor();
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
  await page.getByRole("link", { name: "Compare with the earlier scan" }).click();
  await compared(page);
  assert.deepEqual(wrong, []);
  const phone = { viewport: PHONE, hasTouch: true, isMobile: true, deviceScaleFactor: 2 };
  const small = await signedIn(browser, "anna", new URL(page.url()).pathname, phone);
  await small.page.locator(".curtain input").waitFor();
  await seen(small.page.locator(".brain-stage canvas"), ({ coloured }) => coloured > 0);
  const wide = await small.page.evaluate(() => document.documentElement.scrollWidth);
  assert.ok(wide <= PHONE.width, `${wide} pixels wide`);
  await picture(small.page, "compare-phone");
  assert.deepEqual(small.wrong, []);
});

/** The page of two scans: what it says, and the curtain, by keys and by hand.
 * @param {import("playwright-core").Page} page */
async function compared(page) {
  await page.getByRole("heading", { level: 1, name: "Two scans of one person" }).waitFor();
  const curtain = page.getByRole("slider", { name: "Slide from the earlier brain" });
  await curtain.waitFor();
  await usable(page, "two scans");
  const text = await page.locator("main").innerText();
  assert.match(text, /Uploaded \d+ \w+ \d{4}.* and \d+ \w+ \d{4}/);
  const hippocampus = page.getByRole("row", { name: "Hippocampus, left" });
  const [, was, is] = (await hippocampus.innerText()).split("\t");
  for (const volume of [was, is]) assert.match(volume ?? "", /^\d\.\d\d\s±\s\d\.\d\d\smL$/);

  const canvas = page.locator(".brain-stage canvas");
  await seen(canvas, ({ coloured }) => coloured > 0);
  await picture(page, "compare", { fullPage: true });
  await curtain.focus();
  await page.keyboard.press("Home");
  const later = await settled(page, canvas, "0 %");
  await page.keyboard.press("End");
  const earlier = await settled(page, canvas, "100 %");
  assert.ok(!later.equals(earlier), "another brain is seen");
  const box = await curtain.boundingBox();
  assert.ok(box);
  await page.mouse.move(box.x + box.width - 8, box.y + box.height / 2);
  await page.mouse.down();
  await page.mouse.move(box.x + box.width * 0.3, box.y + box.height / 2, { steps: 4 });
  await page.mouse.up();
  const parted = await settled(page, canvas, /^(29|30|31) %/);
  assert.ok(!parted.equals(earlier) && !parted.equals(later));

  /** @param {import("playwright-core").Page} page @param {import("playwright-core").Locator} canvas
   * @param {string | RegExp} said */
  async function settled(page, canvas, said) {
    const text = (await curtain.getAttribute("aria-valuetext")) ?? "";
    assert.ok(typeof said === "string" ? text.startsWith(said) : said.test(text), text);
    await page.waitForTimeout(500);
    return await canvas.screenshot();
  }
}

test("a computed tomography is refused with what to do", async (t) => {
  const browser = await browserFor(t);
  const { page } = await signedIn(browser, "anna", "/");
  await drop(page, page.getByRole("region", { name: "Drop a folder" }), platform.zip);
  await page.getByText("This is not an MR image.").first().waitFor();
  const count = await page.getByText(/series in \d+ files?\./).innerText();
  await page.getByRole("button", { name: "Clear", exact: true }).click();
  await page.locator('input[type="file"]').nth(1).setInputFiles(platform.tomography);
  await page.getByText("This is not an MR image.").first().waitFor();
  await page.getByText(count).waitFor(); // the folder holds what the zip does
  await page.locator('.series input[type="checkbox"]').first().check();
  await page.getByRole("button", { name: /^Send this series/ }).click();
  const refusal = page.getByRole("alert");
  await refusal.waitFor();
  const text = await refusal.innerText();
  assert.match(text, /Send an MRI of the head/);
  assert.match(text, /unsupported_modality/);
  assert.equal(await page.getByRole("link", { name: "See the result" }).count(), 0);
});
