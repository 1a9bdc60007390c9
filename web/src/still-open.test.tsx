// SPDX-License-Identifier: Apache-2.0
import { cleanup, fireEvent, render, screen } from "@testing-library/react";
import { afterEach, expect, it, vi } from "vitest";
import { messages } from "./messages/en";
import { Signed } from "./session";
import { StillOpen } from "./still-open";

const words = messages.breakGlass;

/** A stream that the platform refuses, or with `said` opens and then ends. */
class Stream extends EventTarget {
  static readonly CLOSED = 2;
  static said: string[] = [];
  readyState = Stream.CLOSED;
  constructor() {
    super();
    const said = Stream.said.length ? Stream.said : ["error"];
    queueMicrotask(() => {
      for (const name of said) this.dispatchEvent(new Event(name));
    });
  }
  close() {}
}

async function platform(path: string): Promise<Response> {
  if (path.endsWith("/status"))
    return Response.json({ error: { code: "no_such_scan", message: "no" } }, { status: 404 });
  return Response.json({ user_id: "dora", roles: ["clinician"], token: "t", idle_minutes: 15 });
}

afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
});

async function breakGlass(then: string[]) {
  Stream.said = [];
  vi.stubGlobal("EventSource", Stream);
  vi.stubGlobal("fetch", vi.fn(platform));
  render(
    <Signed signIn={() => null}>
      <StillOpen id="a">shown</StillOpen>
    </Signed>,
  );
  await screen.findByText(messages.notFound.text);
  expect(screen.queryByText(words.another)).toBeNull();
  fireEvent.click(screen.getByRole("button", { name: words.offer }));
  fireEvent.change(screen.getByLabelText(words.account), { target: { value: "bert" } });
  Stream.said = then;
  fireEvent.click(screen.getByText(words.open));
}

it("says when an emergency opened somebody else's data", async () => {
  await breakGlass([]);
  await screen.findByText(words.another);
});

it("does not say so of a scan that was open until the hour was over", async () => {
  await breakGlass(["open", "closed"]);
  await screen.findByText(messages.closed.text);
  expect(screen.queryByText(words.another)).toBeNull();
});
