// SPDX-License-Identifier: Apache-2.0
// Signing in at an identity provider, and out. Nobody is there: a warning, then nothing is left, in
// any page of this browser.
import assert from "node:assert/strict";
import { test } from "node:test";
import { usable } from "./axe.mjs";
import { asked, browserFor, picture, platform, signedIn } from "./visit.mjs";

test("a page that nobody uses signs out", async (t) => {
  const browser = await browserFor(t);
  const { page, context } = await signedIn(browser, "anna", "/sharing");
  const { idle_minutes } = await asked("anna", "GET", "/api/v1/sessions");
  await page.clock.install();
  await page.reload();
  await page.getByText("Who may see your results").waitFor();
  const other = await context.newPage();
  await other.goto(`${platform.url}/`);
  await other.locator("h1").waitFor();
  await page.clock.fastForward((idle_minutes - 1) * 60_000 + 1000);
  await page.locator("dialog[open]").waitFor();
  await usable(page, "the warning");
  await page.clock.fastForward(61_000);
  await page.getByText("Please sign in").waitFor();
  assert.equal(await page.locator("table").count(), 0);
  await other.getByText("Please sign in").waitFor();
});

test("somebody signs in at their organisation, and out again", async (t) => {
  const browser = await browserFor(t);
  const { page, context } = await signedIn(browser, null, "/sharing");
  await page.getByRole("link", { name: "Sign in with your organisation" }).waitFor();
  await picture(page, "sign-in-organisation");
  /** @type {string[]} */
  const visited = [];
  page.on("request", (request) => {
    if (request.isNavigationRequest()) visited.push(new URL(request.url()).hostname);
  });
  await page.getByRole("link", { name: "Sign in with your organisation" }).click();
  await page.getByRole("heading", { level: 1, name: "Sharing" }).waitFor();
  assert.ok(visited.includes("localhost"), "by way of the provider");
  assert.equal(page.url(), `${platform.url}/sharing`); // where they wanted to go, and nothing else
  const [cookie, ...others] = await context.cookies();
  assert.deepEqual([cookie?.httpOnly, cookie?.sameSite, others], [true, "Lax", []]);
  await page.locator(".account summary", { hasText: platform.from_provider }).click();
  await page.getByText("Clinician", { exact: true }).waitFor();
  await usable(page, "an account that is open");
  await picture(page, "account");
  await page.getByRole("button", { name: "Sign out", exact: true }).click();
  await page.waitForURL(`${platform.url}/`); // only then has the platform ended the session
  await page.getByText("Please sign in").waitFor();
  assert.deepEqual(await context.cookies(), []);
  await context.addCookies([/** @type {any} */ (cookie)]);
  await page.reload();
  await page.getByText("Please sign in").waitFor(); // a cookie that was kept opens nothing
});

test("a sign-in that another browser began signs nobody in", async (t) => {
  const browser = await browserFor(t);
  const elsewhere = await hop(`${platform.url}/sign-in/oidc?path=/sharing`);
  const back = await hop(elsewhere);
  const { page, context } = await signedIn(browser, null, back.slice(platform.url.length));
  await page.getByRole("heading", { level: 1, name: "You are not signed in" }).waitFor();
  await usable(page, "a sign-in refused");
  await picture(page, "sign-in-refused");
  assert.deepEqual(await context.cookies(), []);
  await page.getByRole("link", { name: "Begin again" }).click();
  await page.getByText("Please sign in").waitFor();
});

/** Where an address leads on to.
 * @param {string} address */
async function hop(address) {
  const answer = await fetch(address, { redirect: "manual" });
  return answer.headers.get("Location") ?? "";
}
