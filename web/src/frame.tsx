// SPDX-License-Identifier: Apache-2.0
// What stands around every page: name, way, the words on research use, who is signed in.
import { type ReactNode, useEffect, useRef, useState } from "react";
import { Link, useLocation } from "wouter";
import "./frame.css";
import { send } from "./http";
import { messages } from "./messages/en";
import { can, signOut, useSession } from "./session";

export function Frame({ children }: { children: ReactNode }) {
  const session = useSession();
  const words = messages.frame;
  const main = useArrival();
  return (
    <>
      <a className="skip" href="#content">
        {words.skip}
      </a>
      <header>
        <div className="frame">
          <Link href="/" className="home">
            {words.name}
          </Link>
          <nav aria-label={words.pages}>
            {can(session, "patient", "caregiver", "clinician") && <Way to="/">{words.scans}</Way>}
            {can(session, "patient", "clinician") && <Way to="/upload">{words.upload}</Way>}
            {can(session, "patient", "caregiver", "clinician") && (
              <Way to="/sharing">{words.sharing}</Way>
            )}
            {can(session, "compliance") && <Way to="/log">{words.log}</Way>}
          </nav>
          <Account />
        </div>
        <p className="disclaimer">{words.disclaimer}</p>
        <Offline />
      </header>
      <main id="content" tabIndex={-1} ref={main}>
        {children}
      </main>
    </>
  );
}

function Way({ to, children }: { to: string; children: ReactNode }) {
  const [at] = useLocation();
  return (
    <Link href={to} aria-current={at === to ? "page" : undefined}>
      {children}
    </Link>
  );
}

/** Who is signed in, as whom, and the way out. */
function Account() {
  const session = useSession();
  const words = messages.frame;
  const leave = () => void signOut().then(() => window.location.assign("/"));
  const leaveAll = () => void send("DELETE", "/api/v1/sessions").then(leave, leave);
  return (
    <details className="account">
      <summary>
        <span className="unseen">{words.account}</span> {session.user_id}
      </summary>
      <div>
        <p>{session.roles.map((role) => words.roles[role] ?? role).join(", ")}</p>
        <button type="button" onClick={leave}>
          {words.signOut}
        </button>
        <button type="button" className="plain" onClick={leaveAll}>
          {words.signOutAll}
        </button>
      </div>
    </details>
  );
}

/** Move the focus to a page that somebody has come to by a link, as a browser does with documents. */
function useArrival() {
  const [at] = useLocation();
  const main = useRef<HTMLElement>(null);
  const last = useRef(at);
  useEffect(() => {
    if (last.current === at) return;
    last.current = at;
    window.scrollTo(0, 0);
    main.current?.focus({ preventScroll: true });
  }, [at]);
  return main;
}

/** Say that what is shown may be old. */
function Offline() {
  const [online, setOnline] = useState(navigator.onLine);
  useEffect(() => {
    const changed = () => setOnline(navigator.onLine);
    window.addEventListener("online", changed);
    window.addEventListener("offline", changed);
    return () => {
      window.removeEventListener("online", changed);
      window.removeEventListener("offline", changed);
    };
  }, []);
  return <div role="status">{!online && <p className="offline">{messages.frame.offline}</p>}</div>;
}

/** Name a page, in its heading and in the browser's title. */
export function Title({ children }: { children: string }) {
  useEffect(() => {
    document.title = `${children} · ${messages.frame.name}`;
  }, [children]);
  return <h1>{children}</h1>;
}
