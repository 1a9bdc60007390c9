// SPDX-License-Identifier: Apache-2.0
import { act, cleanup, renderHook } from "@testing-library/react";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { useIdle } from "./idle";

beforeEach(() => {
  vi.useFakeTimers();
  vi.stubGlobal(
    "fetch",
    vi.fn(async () => new Response()),
  );
});
afterEach(() => {
  cleanup();
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

const pass = (seconds: number) => act(() => vi.advanceTimersByTime(seconds * 1000));
const touch = () => act(() => void window.dispatchEvent(new Event("pointerdown")));

function idle(minutes: number | null) {
  const then = vi.fn();
  return { then, ...renderHook(() => useIdle(minutes, then)) };
}

test("it warns a minute before, and ends once", () => {
  const { result, then } = idle(10);
  pass(539);
  expect(result.current.left).toBeNull();
  pass(2);
  expect(result.current.left).toBe(59);
  pass(60);
  expect(then).toHaveBeenCalledTimes(1);
  pass(1000);
  expect(then).toHaveBeenCalledTimes(1);
});

test("a touch begins anew", () => {
  const { then } = idle(10);
  for (let at = 0; at < 5; at += 1) {
    pass(500);
    touch();
  }
  expect(then).not.toHaveBeenCalled();
  expect(fetch).toHaveBeenCalledWith("/api/v1/sessions"); // which keeps the session alive
  pass(601);
  expect(then).toHaveBeenCalledTimes(1);
});

test("once it warns, only its button goes on", () => {
  const { result, then } = idle(10);
  pass(545);
  touch();
  expect(result.current.left).toBe(55);
  act(() => result.current.stay());
  expect(result.current.left).toBeNull();
  pass(500);
  expect(then).not.toHaveBeenCalled();
});

test("a computer that slept signs out when it wakes", () => {
  const { then } = idle(10);
  vi.setSystemTime(Date.now() + 3_600_000);
  pass(1);
  expect(then).toHaveBeenCalledTimes(1);
});

test("nobody is signed in: nothing counts", () => {
  const { then } = idle(null);
  pass(100_000);
  expect(then).not.toHaveBeenCalled();
});
