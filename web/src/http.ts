// SPDX-License-Identifier: Apache-2.0
// Requests to the platform. The token lives in this module alone, never in storage.

/** A refusal as the platform says it (RFC 9457). */
export class Problem extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly hint: string | null,
    /** What else was said, for instance of each file. */
    readonly details: Record<string, unknown> = {},
  ) {
    super(message);
  }
}

let token: string | null = null;
let ended: () => void = () => undefined;

export function useToken(value: string | null): void {
  token = value;
}

/** For requests that `ask` cannot make: it tells no progress. */
export function bearer(): string | null {
  return token;
}

/** Say what happens when the platform does not take the token any more. */
export function onEnded(then: () => void): void {
  ended = then;
}

export type Query = Record<string, string | number | null | undefined>;

/** Ask for something; what is refused is thrown. */
export async function ask(
  path: string,
  init: RequestInit = {},
  query: Query = {},
): Promise<Response> {
  const headers = new Headers(init.headers);
  if (token) headers.set("Authorization", `Bearer ${token}`);
  const response = await fetch(withQuery(path, query), { ...init, headers }).catch((error) => {
    if (error instanceof DOMException) throw error; // taken back by the caller
    throw new Problem(0, "unreachable", "the platform cannot be reached", null);
  });
  if (!response.ok) {
    if (response.status === 401 && token) ended();
    throw await problemOf(response);
  }
  return response;
}

export async function get<T>(path: string, query: Query = {}, signal?: AbortSignal): Promise<T> {
  const response = await ask(path, signal ? { signal } : {}, query);
  return (await response.json()) as T;
}

export async function send<T>(method: string, path: string, body?: unknown): Promise<T> {
  const init: RequestInit = { method };
  if (body !== undefined) {
    init.body = JSON.stringify(body);
    init.headers = { "Content-Type": "application/json" };
  }
  const response = await ask(path, init);
  return (response.status === 204 ? undefined : await response.json()) as T;
}

function withQuery(path: string, query: Query): string {
  const given = Object.entries(query).filter(([, value]) => value != null && value !== "");
  if (given.length === 0) return path;
  return `${path}?${new URLSearchParams(given.map(([name, value]) => [name, String(value)]))}`;
}

async function problemOf(response: Response): Promise<Problem> {
  return problemFrom(response.status, await response.json().catch(() => ({})));
}

/** A refusal, from what the body of an answer says. */
export function problemFrom(status: number, said: Record<string, unknown>): Problem {
  const text = (name: string) => (typeof said[name] === "string" ? (said[name] as string) : null);
  return new Problem(
    status,
    text("code") ?? "http_error",
    text("title") ?? `status ${status}`,
    text("hint"),
    said,
  );
}
