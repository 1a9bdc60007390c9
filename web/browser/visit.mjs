// SPDX-License-Identifier: Apache-2.0
// A visit to a running platform in a real browser: Chromium, by playwright-core.
//
// tests/e2e/test_browser.py starts the platform, says in MEMORYGUARD_VISIT where it is and who
// may sign in, and runs each *.visit.mjs here with `node --test`.
import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { after } from "node:test";
import { DESK, started } from "./chromium.mjs";

/** Where it is, a token of each user, whom the identity provider knows, a measured scan of anna's,
 * folders and a zip to send, and where pictures go.
 * @type {{url: string, tokens: Record<string, string>, from_provider: string, scan: string,
 *   second: string, tomography: string, zip: string, pictures: string}} */
export const platform = JSON.parse(readFileSync(process.env.MEMORYGUARD_VISIT, "utf8"));

export const PHONE = { width: 390, height: 844 };
const DRAWS = ["--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"];
const CANNOT_DRAW = ["--disable-gpu", "--disable-3d-apis"];

/** Those that run, by whether they draw.
 * @type {Map<boolean, Promise<import("playwright-core").Browser>>} */
const browsers = new Map();
after(() => Promise.all([...browsers.values()].map(async (browser) => (await browser).close())));

/** The browser of a visit; its pages, and all that it knew of them, end with the test.
 * @param {import("node:test").TestContext} test
 * @param {{webGl?: boolean}} options */
export async function browserFor(test, { webGl = true } = {}) {
  const running = browsers.get(webGl) ?? started(webGl ? DRAWS : CANNOT_DRAW);
  browsers.set(webGl, running);
  const browser = await running;
  test.after(() => Promise.all(browser.contexts().map((context) => context.close())));
  return browser;
}

/** Open a page signed in as somebody, by a one-time link; what goes wrong in it is collected.
 * @param {import("playwright-core").Browser} browser
 * @param {string | null} who nobody, or one of `platform.tokens`
 * @param {string} path
 * @param {import("playwright-core").BrowserContextOptions} options */
export async function signedIn(browser, who, path, options = {}) {
  const context = await browser.newContext({ viewport: DESK, ...options });
  const page = await context.newPage();
  /** @type {string[]} */
  const wrong = [];
  page.on("pageerror", (error) => wrong.push(`${error}`));
  page.on("console", (message) => message.type() === "error" && wrong.push(message.text()));
  await page.goto(platform.url + (who ? await link(who, path) : path));
  return { page, context, wrong };
}

/** @param {string} who @param {string} path */
async function link(who, path) {
  const answer = await asked(who, "POST", "/api/v1/sessions", { path });
  return answer.url_path;
}

/** Ask the API as somebody, beside the browser.
 * @param {string} who @param {string} method @param {string} path @param {unknown} body */
export async function asked(who, method, path, body = undefined) {
  const response = await fetch(platform.url + path, {
    method,
    headers: {
      Authorization: `Bearer ${platform.tokens[who]}`,
      ...(body === undefined ? {} : { "Content-Type": "application/json" }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  if (!response.ok) throw new Error(`${method} ${path}: ${response.status}`);
  return response.status === 204 ? null : await response.json();
}

/** Drop files and folders of this computer on the middle of an element, as a hand does.
 * @param {import("playwright-core").Page} page
 * @param {import("playwright-core").Locator} target
 * @param {string} path
 * @param {() => Promise<void>} over what to look at before it is let go */
export async function drop(page, target, path, over = async () => {}) {
  const box = await target.boundingBox();
  if (!box) throw new Error("nothing to drop on");
  const event = {
    x: box.x + box.width / 2,
    y: box.y + box.height / 2,
    data: { items: [], files: [path], dragOperationsMask: 1 }, // copy
  };
  const debug = await page.context().newCDPSession(page);
  await debug.send("Input.dispatchDragEvent", { type: "dragEnter", ...event });
  await debug.send("Input.dispatchDragEvent", { type: "dragOver", ...event });
  await over();
  await debug.send("Input.dispatchDragEvent", { type: "drop", ...event });
  await debug.detach();
}

/** Keep a picture of a page, as CI output and for the README.
 * @param {import("playwright-core").Page} page @param {string} name */
export async function picture(page, name, options = {}) {
  mkdirSync(platform.pictures, { recursive: true });
  await page.screenshot({ path: join(platform.pictures, `${name}.png`), ...options });
}
