// SPDX-License-Identifier: Apache-2.0
// Who is signed in. A page asks once. Whoever signs out, or leaves every page alone for a while, is
// signed out of all pages of this browser, and nothing of what they showed is left.
import { createContext, type ReactNode, useCallback, useContext, useEffect, useState } from "react";
import { get, onEnded, Problem, send, useToken } from "./http";
import { IdleWarning, useIdle } from "./idle";

export interface Session {
  user_id: string;
  roles: string[];
  token: string;
  idle_minutes: number;
}

/** Why nobody is signed in: `ended` is what the platform says, `away` that it cannot be asked. */
export type Out = "new" | "left" | "idle" | "ended" | "away";

type State = { kind: "asking" } | { kind: "out"; why: Out } | { kind: "in"; session: Session };

const Current = createContext<Session | null>(null);
const CHANNEL = "memoryguard.session";

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
  signIn: (why: Out) => ReactNode;
}) {
  const [state, setState] = useState<State>({ kind: "asking" });
  const out = useCallback((why: Out) => {
    useToken(null);
    setState({ kind: "out", why });
  }, []);
  useEffect(() => {
    get<Session>("/api/v1/sessions")
      .then((session) => {
        useToken(session.token);
        setState({ kind: "in", session });
      })
      .catch((error) => out(error instanceof Problem && error.status === 401 ? "new" : "away"));
  }, [out]);
  useEffect(() => onEnded(() => out("ended")), [out]);
  useOtherPages(out);
  const leave = useCallback(() => {
    out("idle");
    void signOut("idle");
  }, [out]);
  const idle = useIdle(state.kind === "in" ? state.session.idle_minutes : null, leave);
  if (state.kind === "asking") return null;
  if (state.kind === "out") return signIn(state.why);
  return (
    <Current.Provider value={state.session}>
      {children}
      <IdleWarning {...idle} />
    </Current.Provider>
  );
}

/** End the session on both sides, and in every page of this browser. */
export async function signOut(why: Out = "left"): Promise<void> {
  useToken(null);
  const channel = new BroadcastChannel(CHANNEL);
  channel.postMessage(why);
  channel.close();
  await fetch("/sign-out").catch(() => undefined);
}

/** Hear of other pages that sign out; and forget what the browser kept of a page that was left. */
function useOtherPages(out: (why: Out) => void): void {
  useEffect(() => {
    const channel = new BroadcastChannel(CHANNEL);
    channel.onmessage = ({ data }) => out(data === "idle" ? "idle" : "left");
    const shown = (event: PageTransitionEvent) => event.persisted && window.location.reload();
    window.addEventListener("pageshow", shown);
    return () => {
      channel.close();
      window.removeEventListener("pageshow", shown);
    };
  }, [out]);
}

/** Sign in with a bearer token: it becomes a session by a link that works once. */
export async function signInWith(bearer: string, path: string): Promise<string> {
  useToken(bearer);
  try {
    return (await send<{ url_path: string }>("POST", "/api/v1/sessions", { path })).url_path;
  } catch (error) {
    throw error instanceof Problem ? error : new Problem(0, "unreachable", String(error), null);
  } finally {
    useToken(null);
  }
}
