// SPDX-License-Identifier: Apache-2.0
// Every page, wide, narrow and dark: axe finds nothing serious, nothing is wider than the screen, and
// the words on research use stand there. Then by keyboard alone.
import assert from "node:assert/strict";
import { test } from "node:test";
import { usable } from "./axe.mjs";
import { browserFor, PHONE, picture, platform, signedIn } from "./visit.mjs";

const PAGES = /** @type {const} */ ([
  [null, "/", "sign-in"],
  ["anna", "/", "scans"],
  ["anna", "/upload", "send"],
  ["anna", `/imaging/${platform.scan}`, "a-result"],
  ["anna", "/imaging/no-such-scan", "nothing-here"],
  ["anna", "/sharing", "sharing"],
  ["carl", "/sharing", "sharing-caregiver"],
  ["olga", "/log", "log"],
]);
const SCHEMES = /** @type {const} */ ([
  ["wide", {}],
  ["narrow", { viewport: PHONE }],
  ["dark", { colorScheme: "dark" }],
]);

for (const [who, path, name] of PAGES) {
  test(name, async (t) => {
    const browser = await browserFor(t);
    const looked = SCHEMES.map(async ([scheme, options]) => {
      const { page, wrong } = await signedIn(browser, who, path, options);
      await page.locator("h1").waitFor();
      await page.waitForLoadState("networkidle");
      await usable(page, `${name}, ${scheme}`);
      assert.ok(await page.getByText("Research use, not a diagnosis").first().isVisible());
      assert.match(await page.title(), / · /, "a title of its own");
      const width = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      assert.ok(width <= 0, `${name}, ${scheme}: ${width} pixels wider than the screen`);
      if (scheme === "wide" && name !== "a-result") await picture(page, name);
      if (name !== "nothing-here" && who) assert.deepEqual(wrong, [], `${name}, ${scheme}`);
    });
    await Promise.all(looked);
  });
}

test("by keyboard: past the frame, and on to another page", async (t) => {
  const browser = await browserFor(t);
  const { page } = await signedIn(browser, "anna", "/");
  await page.locator("h1").waitFor();
  const focused = () =>
    page.evaluate(() => document.activeElement?.id || document.activeElement?.className);
  await page.keyboard.press("Tab");
  assert.equal(await focused(), "skip");
  await page.keyboard.press("Enter");
  assert.equal(await focused(), "content");
  await page.getByRole("link", { name: "Sharing" }).focus();
  await page.keyboard.press("Enter");
  await page.getByText("Who may see your results").waitFor();
  assert.equal(await focused(), "content");
});

test("the list is filtered by the platform, and a link keeps the filter", async (t) => {
  const browser = await browserFor(t);
  const { page, wrong } = await signedIn(browser, "anna", "/");
  const row = page.locator(`a[href="/imaging/${platform.scan}"]`);
  await row.waitFor();
  await page.getByLabel("Scan", { exact: true }).fill(platform.scan.slice(0, 8).toUpperCase());
  await page.waitForURL(/\?q=/);
  await row.waitFor();
  await page.getByLabel("Uploaded until").fill("2020-01-01");
  await page.getByText("No scan matches this filter").waitFor();
  await usable(page, "no scan matches");
  await page.reload();
  await page.getByText("No scan matches this filter").waitFor();
  assert.equal(await page.getByLabel("Uploaded until").inputValue(), "2020-01-01");
  await page.getByLabel("Uploaded from").fill("2026-01-01");
  await page.getByText("from is not before to").waitFor();
  await page.getByLabel("Uploaded until").fill("");
  await row.waitFor();
  await page.getByLabel("Status").selectOption("failed");
  await page.getByRole("link", { name: "Show all scans" }).click();
  await row.waitFor();
  assert.equal(new URL(page.url()).search, "");
  assert.equal(await page.getByLabel("Status").inputValue(), "");
  assert.deepEqual(
    wrong.filter((each) => !each.includes("422")),
    [],
  );
});
