// SPDX-License-Identifier: Apache-2.0
import { cleanup, fireEvent, render, screen } from "@testing-library/react";
import { afterEach, expect, it, vi } from "vitest";
import { messages } from "./messages/en";
import { Signed } from "./session";
import { StillOpen } from "./still-open";

const words = messages.breakGlass;

/** A stream that the platform refuses. */
class Refused extends EventTarget {
  static readonly CLOSED = 2;
  readyState = Refused.CLOSED;
  constructor() {
    super();
    queueMicrotask(() => this.dispatchEvent(new Event("error")));
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

it("says when an emergency opened somebody else's data", async () => {
  vi.stubGlobal("EventSource", Refused);
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
  fireEvent.click(screen.getByText(words.open));
  await screen.findByText(words.another);
});
