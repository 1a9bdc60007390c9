// SPDX-License-Identifier: Apache-2.0
// Every page in a real Chromium, against a running platform: axe finds nothing serious, pages can be
// used by keyboard, and what is taken back leaves an open page.
//
//   node tests/pages.mjs http://127.0.0.1:8470 tokens.json [folder for screenshots]
//
// tokens.json: {"patient": …, "caregiver": …, "clinician": …, "compliance": …}, tokens of
// four accounts; the patient
// has a scan that is done.
import { mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { chromium } from "playwright-core";

const [base, tokensFile, folder] = process.argv.slice(2);
const tokens = JSON.parse(readFileSync(tokensFile, "utf8"));
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const SERIOUS = ["serious", "critical"];
const failures = [];

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: [
    "--no-sandbox",
    "--use-gl=angle",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
  ],
});

function check(holds, what) {
  process.stdout.write(`${holds ? "ok  " : "FAIL"} ${what}\n`);
  if (!holds) failures.push(what);
}

async function api(token, method, path, body) {
  const response = await fetch(base + path, {
    method,
    headers: { Authorization: `Bearer ${token}`, "Content-Type": "application/json" },
    ...(body && { body: JSON.stringify(body) }),
  });
  if (!response.ok) throw new Error(`${method} ${path}: ${response.status}`);
  return response.json();
}

/** A page of somebody who has signed in by a one-time link. */
async function signedIn(token, path, options = {}) {
  const context = await browser.newContext({
    viewport: { width: 1440, height: 900 },
    bypassCSP: false,
    ...options,
  });
  const page = await context.newPage();
  page.on("pageerror", (error) => check(false, `${path}: ${error.message}`));
  const link = token ? (await api(token, "POST", "/api/v1/sessions", { path })).url_path : path;
  await page.goto(base + link);
  await page.waitForSelector("h1");
  await page.waitForLoadState("networkidle");
  return page;
}

async function checkAxe(page, name) {
  // From the debugger, so that the page's content security policy stays as it is.
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() =>
    window.axe.run(document, { resultTypes: ["violations"] }),
  );
  const serious = violations.filter(({ impact }) => SERIOUS.includes(impact));
  for (const { id, nodes } of violations)
    process.stdout.write(`     ${id}: ${nodes.map(({ target }) => target).join(" | ")}\n`);
  check(serious.length === 0, `axe: ${name}`);
}

async function shot(page, name) {
  if (!folder) return;
  mkdirSync(folder, { recursive: true });
  // A picture is for the eye: where drawing 3D without a GPU takes too long, there is none.
  const path = `${folder}/${name}.png`;
  await page.screenshot({ path, fullPage: true, timeout: 10_000 }).catch(() => undefined);
}

const SCHEMES = [
  ["wide", {}],
  ["narrow", { viewport: { width: 390, height: 844 } }],
  ["dark", { colorScheme: "dark" }],
];

const { items } = await api(tokens.patient, "GET", "/api/v1/imaging");
const scan = items.find(({ status }) => status === "completed");
const PAGES = [
  [null, "/", "sign-in"],
  [tokens.patient, "/", "scans"],
  [tokens.patient, `/imaging/${scan.imaging_id}`, "result"],
  [tokens.patient, "/imaging/no-such-scan", "no-such-scan"],
  [tokens.patient, "/sharing", "sharing"],
  [tokens.caregiver, "/sharing", "sharing-caregiver"],
  [tokens.compliance, "/log", "log"],
];

for (const [token, path, name] of PAGES) {
  for (const [scheme, options] of SCHEMES) {
    const page = await signedIn(token, path, options);
    await checkAxe(page, `${name}, ${scheme}`);
    check(
      (await page.title()).includes(" · "),
      `${name}: a title of its own (${await page.title()})`,
    );
    check(
      await page.getByText("Research use, not a diagnosis").first().isVisible(),
      `${name}: words on research use`,
    );
    const wide = await page.evaluate(() => document.documentElement.scrollWidth > innerWidth);
    check(!wide, `${name}, ${scheme}: nothing is wider than the screen`);
    await shot(page, `${name}-${scheme}`);
    await page.context().close();
  }
}

// By keyboard: the first stop leads to the content, the next page takes the focus.
{
  const page = await signedIn(tokens.patient, "/");
  await page.keyboard.press("Tab");
  check(
    await page.evaluate(() => document.activeElement.className === "skip"),
    "the skip link is first",
  );
  await page.keyboard.press("Enter");
  check(
    await page.evaluate(() => document.activeElement.id === "content"),
    "it leads to the content",
  );
  await page.getByRole("link", { name: "Sharing" }).focus();
  await page.keyboard.press("Enter");
  await page.waitForSelector("text=Who may see your results");
  check(
    await page.evaluate(() => document.activeElement.id === "content"),
    "the next page has the focus",
  );
  await page.context().close();
}

// The log: an entry holds, and with one altered byte it does not.
{
  const page = await signedIn(tokens.compliance, "/log");
  const button = page.getByRole("button", { name: /^Check the proof of entry/ }).last();
  await button.focus();
  await page.keyboard.press("Enter");
  await page.waitForSelector("dialog .verdict.passed");
  check(true, "an entry's proof holds");
  await page.locator("dialog summary").first().click();
  await checkAxe(page, "a proof");
  await shot(page, "proof");
  await page.getByRole("button", { name: "Alter one byte" }).click();
  await page.waitForSelector("dialog li.failed");
  check((await page.locator("dialog li.failed").count()) >= 1, "with an altered byte it fails");
  await checkAxe(page, "a proof that fails");
  await shot(page, "proof-altered");
  await page.keyboard.press("Escape");
  check((await page.locator("dialog").count()) === 0, "Escape closes");
  check(await button.evaluate((node) => node === document.activeElement), "the focus is back");
  await page.reload();
  await page.waitForSelector(".verdict");
  await page.waitForSelector("text=is the beginning of this one");
  check(true, "the log grew from that of the last visit");
  await page.context().close();
}

// A result: its numbers are those of the log.
{
  const page = await signedIn(tokens.patient, `/imaging/${scan.imaging_id}`);
  await page.getByRole("button", { name: "Check this result" }).click();
  await page.waitForSelector(".proof .verdict");
  check((await page.locator(".proof .verdict.passed").count()) === 1, "a result's proof holds");
  await shot(page, "result-proof");
  await page.context().close();
}

// Consent is taken back while a caregiver looks.
{
  const caregiver = JSON.parse(
    atob(tokens.caregiver.split(".")[1].replaceAll("-", "+").replaceAll("_", "/")),
  ).sub;
  const owner = scan.user_id;
  await api(tokens.patient, "POST", "/api/v1/access/invitations", { grantee_id: caregiver });
  await api(tokens.caregiver, "POST", "/api/v1/access/grants", { user_id: owner });
  const page = await signedIn(tokens.caregiver, `/imaging/${scan.imaging_id}`);
  await page.waitForSelector("text=Volumes");
  const patient = await signedIn(tokens.patient, "/sharing");
  await patient.getByRole("button", { name: `Take back what ${caregiver} may see` }).click();
  await patient.waitForSelector("dialog[open]");
  await checkAxe(patient, "the question before consent is taken back");
  await shot(patient, "revoke");
  await patient.getByRole("button", { name: "Take back now" }).click();
  await page.waitForSelector("text=This scan is no longer open to you", { timeout: 15_000 });
  check((await page.locator("table").count()) === 0, "what was shown is gone");
  await shot(page, "revoked");
  await page.context().close();
  await patient.context().close();
}

// What a clinician does not find may be opened in an emergency, with a reason.
{
  const page = await signedIn(tokens.clinician, "/imaging/no-such-scan");
  await page.getByRole("button", { name: "Open it in an emergency" }).click();
  await page.waitForSelector("dialog[open]");
  await checkAxe(page, "emergency access");
  await shot(page, "emergency");
  await page.context().close();
}

// Nobody is there: a warning, and then nothing is left.
{
  const page = await signedIn(tokens.patient, "/sharing");
  const { idle_minutes } = await api(tokens.patient, "GET", "/api/v1/sessions");
  await page.clock.install();
  await page.reload();
  await page.waitForSelector("text=Who may see your results");
  const other = await page.context().newPage();
  await other.goto(`${base}/`);
  await other.waitForSelector("h1");
  await page.clock.fastForward((idle_minutes - 1) * 60_000 + 1000);
  await page.waitForSelector("dialog[open]");
  check(true, "a minute before, the page says so");
  await checkAxe(page, "the warning");
  await page.clock.fastForward(61_000);
  await page.waitForSelector("text=Please sign in");
  check((await page.locator("table").count()) === 0, "then it is empty");
  await other.waitForSelector("text=Please sign in");
  check(true, "and so is every other page of this browser");
  await page.context().close();
}

await browser.close();
process.stdout.write(failures.length ? `${failures.length} failed\n` : "all hold\n");
process.exit(failures.length ? 1 : 0);
