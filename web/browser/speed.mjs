// SPDX-License-Identifier: Apache-2.0
// How fast a page comes and turns in a real browser, once: what benchmarks/web.py runs.
//
//     node browser/speed.mjs PLAN
//
// PLAN is a JSON file (the type below); what was measured is printed as JSON. Times are milliseconds
// from the moment the browser asks for the page. Nothing is in its cache.
import { readFileSync } from "node:fs";
import { DESK, started } from "./chromium.mjs";

/**
 * @typedef {object} Plan
 * @property {string} url
 * @property {string | null} link signs in, beside the page
 * @property {string | null} number selects the elements of which one shows a volume, in sight
 * @property {string | null} button sets the picture turning
 * @property {number} turningS for how long it is looked at while it turns; 0 does not look
 * @property {{cpu: number, latencyMs: number, bytesPerS: number} | null} slowed
 * @property {boolean} headed in a window, where there is a screen
 */

/** @type {Plan} */
const plan = JSON.parse(readFileSync(String(process.argv[2]), "utf8"));
// Nothing is forced: a graphics processor draws where the browser finds one, else its software.
const DRAWS = ["--ignore-gpu-blocklist", "--enable-unsafe-swiftshader"];
const PATIENCE_MS = 120_000;
const STEP_MS = 16;

const browser = await started(DRAWS, { headless: !plan.headed });
const answer = await Promise.race([measured(), patience()]);
process.stdout.write(`${JSON.stringify(answer)}\n`);
process.exit(); // takes the browser with it, even one that answers no more

async function measured() {
  const context = await browser.newContext({ viewport: DESK });
  if (plan.link) await context.request.get(plan.link);
  const page = await context.newPage();
  await page.addInitScript(watch, plan.number);
  const network = await context.newCDPSession(page);
  const scripts = await scriptsOf(network);
  if (plan.slowed) await slow(network, plan.slowed);
  await page.goto(plan.url, { waitUntil: "commit" });
  await page.waitForFunction(() => globalThis.watched.done(), null, { timeout: 0 });
  await page.waitForTimeout(1000); // the largest paint may still come
  const marks = await page.evaluate(() => globalThis.watched.marks());
  return {
    chromium: browser.version(),
    renderer: await page.evaluate(() => globalThis.watched.renderer()),
    marks,
    scripts,
    turned: plan.turningS ? await turned(page) : null,
  };
}

/** What each script weighed on the way.
 * @param {import("playwright-core").CDPSession} network */
async function scriptsOf(network) {
  /** @type {{name: string, bytes: number}[]} */
  const came = [];
  /** @type {Map<string, string>} */
  const asked = new Map();
  network.on("Network.responseReceived", ({ requestId, response }) => {
    if (/javascript/.test(response.mimeType)) asked.set(requestId, response.url);
  });
  network.on("Network.loadingFinished", ({ requestId, encodedDataLength }) => {
    const url = asked.get(requestId);
    if (!url) return;
    came.push({ name: new URL(url).pathname.split("/").pop() ?? "", bytes: encodedDataLength });
  });
  await network.send("Network.enable");
  return came;
}

/** @param {import("playwright-core").CDPSession} network
 * @param {NonNullable<Plan["slowed"]>} how */
async function slow(network, { cpu, latencyMs, bytesPerS }) {
  await network.send("Emulation.setCPUThrottlingRate", { rate: cpu });
  await network.send("Network.emulateNetworkConditions", {
    offline: false,
    latency: latencyMs,
    downloadThroughput: bytesPerS,
    uploadThroughput: bytesPerS,
  });
}

/** A page may be too slow to answer: that is told as null. */
async function patience() {
  await new Promise((resolve) => setTimeout(resolve, PATIENCE_MS));
  return null;
}

/** Frames while the picture turns by itself, and while a hand turns it.
 * @param {import("playwright-core").Page} page */
async function turned(page) {
  const box = await page.evaluate(() => globalThis.watched.shown());
  const alone = plan.button ? await byItself(page, plan.button) : null;
  await page.keyboard.press("Escape"); // whatever greets a newcomer
  const [x, y] = [box.x + box.width / 2, box.y + box.height / 2];
  await page.mouse.move(x, y);
  await page.mouse.down();
  const hand = await counted(page, async (until) => {
    for (let n = 1; Date.now() < until; n++) {
      await page.mouse.move(x + 0.3 * box.width * Math.sin(n / 40), y);
      await page.waitForTimeout(STEP_MS);
    }
  });
  await page.mouse.up();
  return { canvas: box, alone, hand };
}

/** @param {import("playwright-core").Page} page @param {string} name */
async function byItself(page, name) {
  const button = page.getByRole("button", { name, exact: true });
  if ((await button.getAttribute("aria-pressed")) !== "true") await button.click();
  return await counted(page, (until) => page.waitForTimeout(until - Date.now()));
}

/** @param {import("playwright-core").Page} page
 * @param {(until: number) => Promise<void>} during */
async function counted(page, during) {
  const before = await page.evaluate(() => globalThis.watched.drawn());
  await during(Date.now() + 1000 * plan.turningS);
  const after = await page.evaluate(() => globalThis.watched.drawn());
  const frames = after.frames - before.frames;
  return {
    frames,
    seconds: (after.ms - before.ms) / 1000,
    drawCalls: (after.calls - before.calls) / Math.max(frames, 1),
    triangles: (after.triangles - before.triangles) / Math.max(frames, 1),
  };
}

/** Runs in the page, before anything else does: notes what is shown when, and what is drawn.
 * @param {string | null} number */
function watch(number) {
  const SHADES = 50;
  const SIDE = 64;
  const LEAST_PIXELS = 200; // thumbnails and icons are smaller
  /** @type {Record<string, number>} */
  const marks = {};
  const drawn = { frames: 0, calls: 0, triangles: 0 };
  /** @type {HTMLCanvasElement | undefined} */
  let picture;
  /** @type {CSSNumberish | null} */
  let frame = null;
  const waiting = new Set();

  const contexts = [WebGLRenderingContext.prototype, WebGL2RenderingContext.prototype];
  for (const context of contexts) {
    for (const [name, count, instances] of /** @type {const} */ ([
      ["drawArrays", 2, -1],
      ["drawElements", 1, -1],
      ["drawArraysInstanced", 2, 3],
      ["drawElementsInstanced", 1, 4],
    ])) {
      const draw = /** @type {any} */ (context)[name];
      if (!draw) continue;
      /** @type {any} */ (context)[name] = function (/** @type {number[]} */ ...given) {
        draw.apply(this, given);
        const copies = instances < 0 ? 1 : (given[instances] ?? 1);
        drawing(copies * trianglesOf(given[0] ?? 0, given[count] ?? 0));
        look(this.canvas);
      };
    }
  }
  const flat = CanvasRenderingContext2D.prototype;
  const paint = flat.drawImage;
  flat.drawImage = function (/** @type {any[]} */ ...given) {
    /** @type {any} */ (paint).apply(this, given);
    look(this.canvas);
  };

  /** @param {number} mode @param {number} count */
  function trianglesOf(mode, count) {
    if (mode === WebGL2RenderingContext.TRIANGLES) return count / 3;
    const joined = [WebGL2RenderingContext.TRIANGLE_STRIP, WebGL2RenderingContext.TRIANGLE_FAN];
    return joined.includes(/** @type {any} */ (mode)) ? count - 2 : 0;
  }

  /** @param {number} triangles */
  function drawing(triangles) {
    drawn.calls += 1;
    drawn.triangles += triangles;
    const now = document.timeline.currentTime; // the same throughout a frame
    if (now !== frame) drawn.frames += 1;
    frame = now;
  }

  /** A canvas that people see has its picture once it has many shades. @param {any} canvas */
  function look(canvas) {
    if (picture || waiting.has(canvas) || !canvas.isConnected) return;
    waiting.add(canvas);
    queueMicrotask(() => {
      waiting.delete(canvas);
      if (picture || Math.min(canvas.clientWidth, canvas.clientHeight) < LEAST_PIXELS) return;
      if (shadesOf(canvas) < SHADES) return;
      picture = canvas;
      painted("picture");
    });
  }

  /** @param {HTMLCanvasElement} canvas */
  function shadesOf(canvas) {
    const small = new OffscreenCanvas(SIDE, SIDE).getContext("2d", { willReadFrequently: true });
    if (!small) return 0;
    small.drawImage(canvas, 0, 0, SIDE, SIDE);
    return new Set(new Uint32Array(small.getImageData(0, 0, SIDE, SIDE).data.buffer)).size;
  }

  /** @param {string} name */
  function painted(name) {
    requestAnimationFrame(() => setTimeout(() => (marks[name] = performance.now())));
  }

  if (number) {
    const observer = new MutationObserver(() => {
      for (const element of document.querySelectorAll(number)) {
        if (!/\d\s.*mL/.test(element.textContent ?? "")) continue;
        if (element.getBoundingClientRect().bottom > innerHeight) continue;
        observer.disconnect();
        painted("number");
        return;
      }
    });
    observer.observe(document, { subtree: true, childList: true, characterData: true });
  }
  new PerformanceObserver((list) => {
    for (const { name, startTime } of list.getEntries()) marks[name] = startTime;
  }).observe({ type: "paint", buffered: true });
  new PerformanceObserver((list) => {
    for (const { startTime } of list.getEntries()) marks["largest-contentful-paint"] = startTime;
  }).observe({ type: "largest-contentful-paint", buffered: true });

  Object.assign(globalThis, {
    watched: {
      done: () => "picture" in marks && (!number || "number" in marks),
      marks: () => marks,
      drawn: () => {
        if (picture) shadesOf(picture); // waits until everything is drawn
        return { ...drawn, ms: performance.now() };
      },
      shown: () => {
        picture?.scrollIntoView({ block: "center", behavior: "instant" });
        return picture?.getBoundingClientRect().toJSON();
      },
      renderer: () => {
        const gl = document.createElement("canvas").getContext("webgl2");
        const name = gl?.getExtension("WEBGL_debug_renderer_info")?.UNMASKED_RENDERER_WEBGL;
        return gl ? String(gl.getParameter(name ?? gl.RENDERER)) : null;
      },
    },
  });
}
