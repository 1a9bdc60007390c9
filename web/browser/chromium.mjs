// SPDX-License-Identifier: Apache-2.0
// The browser that visits and benchmarks use: Chromium, by playwright-core.
import { chromium } from "playwright-core";

export const DESK = { width: 1440, height: 900 };
const QUIET = [
  "--no-sandbox",
  "--no-first-run",
  "--disable-quic",
  "--disable-sync",
  "--disable-background-networking",
  "--disable-component-update",
];

/** Start a browser.
 * @param {string[]} more further switches
 * @param {{headless?: boolean}} options */
export function started(more, { headless = true } = {}) {
  const executablePath = process.env.CHROMIUM ?? "/usr/bin/chromium";
  return chromium.launch({ executablePath, headless, args: [...QUIET, ...more] });
}
