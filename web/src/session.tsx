// SPDX-License-Identifier: Apache-2.0
// Who is signed in. A page asks once; after nobody has touched it for a while, it signs out.
import { createContext, type ReactNode, useCallback, useContext, useEffect, useState } from "react";
import { get, Problem, send, useToken } from "./http";

export interface Session {
  user_id: string;
  roles: string[];
  token: string;
  idle_minutes: number;
}

type State = { kind: "asking" } | { kind: "out"; idle: boolean } | { kind: "in"; session: Session };

const Current = createContext<Session | null>(null);
const TOUCHES = ["pointerdown", "keydown", "wheel", "touchstart"] as const;

export function useSession(): Session {
  const session = useContext(Current);
  if (!session) throw new Error("nobody is signed in");
  return session;
}

export function can(session: Session, ...roles: string[]): boolean {
  return roles.some((role) => session.roles.includes(role));
}

/** Show what is inside to whom is signed in, and `signIn` to everybody else. */
export function Signed({
  children,
  signIn,
}: {
  children: ReactNode;
  signIn: (idle: boolean) => ReactNode;
}) {
  const [state, setState] = useState<State>({ kind: "asking" });
  useEffect(() => {
    get<Session>("/api/v1/sessions")
      .then((session) => {
        useToken(session.token);
        setState({ kind: "in", session });
      })
      .catch(() => setState({ kind: "out", idle: false }));
  }, []);
  const leave = useCallback(() => {
    setState({ kind: "out", idle: true });
    void signOut();
  }, []);
  useIdle(state.kind === "in" ? state.session.idle_minutes : null, leave);
  if (state.kind === "asking") return null;
  if (state.kind === "out") return signIn(state.idle);
  return <Current.Provider value={state.session}>{children}</Current.Provider>;
}

/** End the session on both sides. */
export async function signOut(): Promise<void> {
  useToken(null);
  await fetch("/sign-out").catch(() => undefined);
}

/** Sign in with a bearer token: it becomes a session by a link that works once. */
export async function signInWith(bearer: string, path: string): Promise<string> {
  useToken(bearer);
  try {
    return (await send<{ url_path: string }>("POST", "/api/v1/sessions", { path })).url_path;
  } catch (error) {
    useToken(null);
    throw error instanceof Problem ? error : new Problem(0, "unreachable", String(error), null);
  }
}

function useIdle(minutes: number | null, then: () => void): void {
  useEffect(() => {
    if (minutes === null) return;
    let timer = window.setTimeout(then, minutes * 60_000);
    const touched = () => {
      window.clearTimeout(timer);
      timer = window.setTimeout(then, minutes * 60_000);
    };
    for (const touch of TOUCHES) window.addEventListener(touch, touched, { passive: true });
    return () => {
      window.clearTimeout(timer);
      for (const touch of TOUCHES) window.removeEventListener(touch, touched);
    };
  }, [minutes, then]);
}
