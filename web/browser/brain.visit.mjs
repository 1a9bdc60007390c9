// SPDX-License-Identifier: Apache-2.0
// The brain in 3D: pointing, keys, pulsing and stillness, a phone, and no WebGL at all.
import assert from "node:assert/strict";
import { test } from "node:test";
import { seen } from "./canvas.mjs";
import { browserFor, PHONE, picture, platform, signedIn } from "./visit.mjs";

const RESULT = `/imaging/${platform.scan}`;
const HALF_PULSE_MS = 1250;
/** Software draws it soon. */
const SMALL = { viewport: { width: 900, height: 800 } };

/** @param {import("playwright-core").Page} page */
async function drawn(page) {
  const canvas = page.locator(".brain-stage canvas");
  await canvas.waitFor();
  await canvas.scrollIntoViewIfNeeded();
  await seen(canvas, ({ coloured }) => coloured > 0);
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

/** Move over the picture until a tip says something; give the tip's words.
 * @param {import("playwright-core").Page} page
 * @param {import("playwright-core").Locator} canvas
 * @param {RegExp} wanted */
async function pointedAt(page, canvas, wanted) {
  const box = await canvas.boundingBox();
  assert.ok(box);
  const tip = page.locator(".brain-tip");
  for (const down of [0.5, 0.55, 0.45, 0.6, 0.4]) {
    for (const along of [0.5, 0.45, 0.55, 0.4, 0.6, 0.35, 0.65]) {
      await page.mouse.move(box.x + along * box.width, box.y + down * box.height);
      await page.waitForTimeout(150);
      const text = (await tip.count()) ? await tip.innerText() : "";
      if (wanted.test(text)) return text;
    }
  }
  throw new Error(`no tip says ${wanted}`);
}

test("pointing at a structure tells its name and numbers", async (t) => {
  const browser = await browserFor(t);
  const { page, wrong } = await signedIn(browser, "anna", RESULT);
  const canvas = await drawn(page);
  const text = await pointedAt(page, canvas, /Centile/);
  assert.match(text, /\d\s±\s\d.*\smL/);
  assert.match(text, /Expected/);
  await picture(page, "brain");
  assert.deepEqual(wrong, []);
});

test("what is outside the usual range pulses, and is still where motion is not wanted", async (t) => {
  const browser = await browserFor(t);
  for (const [reducedMotion, expected] of /** @type {const} */ ([
    ["no-preference", true],
    ["reduce", false],
  ])) {
    const { page, context } = await signedIn(browser, "anna", "/sharing", { reducedMotion });
    await page.route("**/analysis", lowHippocampus);
    await page.goto(platform.url + RESULT);
    const canvas = await drawn(page);
    await page.locator(".brain-list .alert").first().waitFor();
    await canvas.click({ position: { x: 4, y: 4 } }); // stops turning, points at nothing
    await page.mouse.move(0, 0);
    await page.waitForTimeout(500); // what followed the pointer is drawn
    assert.equal(await moves(page, canvas), expected, reducedMotion);
    await context.close();
  }
});

/** Our synthetic person lies within the usual range: here the score is another one.
 * @param {import("playwright-core").Route} route */
async function lowHippocampus(route) {
  const response = await route.fetch();
  const analysis = await response.json();
  const region = analysis.atrophy.regions.hippocampus_left;
  Object.assign(region, { z: -2.4, severity: "moderate", direction: "low" });
  await route.fulfill({ response, json: analysis });
}

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

test("smooth slices are drawn by NiiVue, and move together", async (t) => {
  const browser = await browserFor(t);
  const { page, wrong } = await signedIn(browser, "anna", RESULT, SMALL);
  const room = page.locator(".brain-room");
  await room.scrollIntoViewIfNeeded();
  const smooth = room.getByRole("button", { name: "Smooth and zoomable" });
  await smooth.press("Enter");
  assert.equal(await smooth.getAttribute("aria-pressed"), "true");
  const canvas = room.locator(".planes.shaded canvas");
  const first = await seen(canvas, ({ greys, coloured }) => greys > 50 && coloured > 500);
  await picture(page, "smooth-slices");

  const places = () => room.locator("output").allInnerTexts();
  const before = await places();
  const box = await canvas.boundingBox();
  assert.ok(box);
  await page.mouse.click(box.x + box.width * 0.12, box.y + box.height * 0.4);
  await page.waitForTimeout(500);
  const after = await places();
  assert.notDeepEqual(after.slice(0, 3), before.slice(0, 3), "the rulers tell the new place");
  await room.getByRole("slider", { name: "Down to up" }).press("Home");
  const low = await seen(canvas, ({ picture }) => !picture.equals(first.picture));
  await room.getByRole("slider", { name: "Down to up" }).press("End");
  await seen(canvas, ({ picture }) => !picture.equals(low.picture));
  await room.getByRole("slider", { name: "Overlay" }).press("Home");
  await seen(canvas, ({ coloured }) => coloured < first.coloured / 4); // the frame has some
  await smooth.press("Enter");
  await room.locator(".planes.flat canvas").first().waitFor();
  assert.deepEqual((await places())[3], "0 %");
  assert.deepEqual(wrong, []);
});

test("without WebGL there are slices and tables", async (t) => {
  const browser = await browserFor(t, { webGl: false });
  const { page, wrong } = await signedIn(browser, "anna", RESULT);
  await page.getByText("does not draw in 3D").first().waitFor();
  assert.equal(await page.locator(".brain-stage canvas").count(), 0);
  await page.locator(".brain-room").scrollIntoViewIfNeeded(); // only then are they fetched
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
