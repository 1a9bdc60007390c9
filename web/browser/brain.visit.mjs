// SPDX-License-Identifier: Apache-2.0
// The brain in 3D: pointing, keys, pulsing and stillness, a phone, and no WebGL at all.
import assert from "node:assert/strict";
import { test } from "node:test";
import { browserFor, PHONE, picture, platform, signedIn } from "./visit.mjs";

const RESULT = `/imaging/${platform.scan}`;
const HALF_PULSE_MS = 1250;

/** @param {import("playwright-core").Page} page */
async function drawn(page) {
  const canvas = page.locator(".brain-stage canvas");
  await canvas.waitFor();
  await canvas.scrollIntoViewIfNeeded();
  await page.waitForTimeout(2000); // software draws the first frames slowly
  return canvas;
}

/** Whether a picture changes within half a pulse.
 * @param {import("playwright-core").Page} page
 * @param {import("playwright-core").Locator} canvas */
async function moves(page, canvas) {
  const before = await canvas.screenshot();
  await page.waitForTimeout(HALF_PULSE_MS);
  return !before.equals(await canvas.screenshot());
}

test("pointing at a structure tells its name and numbers", async (t) => {
  const browser = await browserFor(t);
  const { page, wrong } = await signedIn(browser, "anna", RESULT);
  const canvas = await drawn(page);
  const box = await canvas.boundingBox();
  assert.ok(box);
  const tip = page.locator(".brain-tip");
  await page.mouse.move(box.x + box.width / 2, box.y + box.height / 2);
  await page.mouse.move(box.x + box.width / 2 + 3, box.y + box.height / 2 + 3);
  await tip.waitFor();
  const text = await tip.innerText();
  for (const word of ["Volume", "mL", "z", "Centile"]) assert.ok(text.includes(word), text);
  await picture(page, "brain");
  assert.deepEqual(wrong, []);
});

test("what is outside the usual range pulses, and is still where motion is not wanted", async (t) => {
  const browser = await browserFor(t);
  for (const [reducedMotion, expected] of /** @type {const} */ ([
    ["no-preference", true],
    ["reduce", false],
  ])) {
    const { page, context } = await signedIn(browser, "anna", RESULT, { reducedMotion });
    const canvas = await drawn(page);
    await canvas.click({ position: { x: 4, y: 4 } }); // stops turning, points at nothing
    await page.mouse.move(0, 0);
    await page.locator(".brain-list .alert").first().waitFor();
    assert.equal(await moves(page, canvas), expected, reducedMotion);
    await context.close();
  }
});

test("keys lead through the structures", async (t) => {
  const browser = await browserFor(t);
  const { page } = await signedIn(browser, "anna", RESULT);
  const list = page.getByRole("listbox", { name: "Structures" });
  await list.focus();
  await page.keyboard.press("Home");
  await page.keyboard.press("ArrowDown");
  const chosen = list.getByRole("option", { selected: true });
  const name = (await chosen.innerText()).split("\n")[0];
  assert.ok(name);
  await page.locator('[aria-live="polite"]', { hasText: name }).first().waitFor();
  await page.keyboard.press("Escape");
  assert.equal(await list.getByRole("option", { selected: true }).count(), 0);
});

test("without WebGL there are slices and tables", async (t) => {
  const browser = await browserFor(t, { webGl: false });
  const { page, wrong } = await signedIn(browser, "anna", RESULT);
  await page.getByText("does not draw in 3D").first().waitFor();
  assert.equal(await page.locator(".brain-stage canvas").count(), 0);
  const slice = page.locator(".brain-slices canvas").first();
  await slice.scrollIntoViewIfNeeded();
  await slice.waitFor();
  const shades = await slice.evaluate((/** @type {HTMLCanvasElement} */ canvas) => {
    const pixels = canvas.getContext("2d")?.getImageData(0, 0, canvas.width, canvas.height).data;
    return new Set(pixels).size;
  });
  assert.ok(shades > 50, "a slice of a brain has many shades");
  assert.ok(await page.getByRole("listbox", { name: "Structures" }).isVisible());
  await picture(page, "without-webgl");
  assert.deepEqual(wrong, []);
});

test("it fits a phone", async (t) => {
  const browser = await browserFor(t);
  const phone = { viewport: PHONE, hasTouch: true, isMobile: true, deviceScaleFactor: 2 };
  const { page, wrong } = await signedIn(browser, "anna", RESULT, phone);
  const canvas = await drawn(page);
  const wide = await page.evaluate(() => document.documentElement.scrollWidth);
  assert.ok(wide <= PHONE.width, `${wide} pixels wide`);
  await canvas.tap();
  await picture(page, "phone");
  assert.deepEqual(wrong, []);
});
