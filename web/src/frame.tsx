// SPDX-License-Identifier: Apache-2.0
// What stands around every page: name, way, the words on research use, who is signed in.
import { type ReactNode, useEffect } from "react";
import { Link, useLocation } from "wouter";
import { messages } from "./messages/en";
import { can, signOut, useSession } from "./session";

export function Frame({ children }: { children: ReactNode }) {
  const session = useSession();
  const words = messages.frame;
  const leave = () => void signOut().then(() => window.location.assign("/"));
  return (
    <>
      <a className="skip" href="#content">
        {words.skip}
      </a>
      <header className="frame">
        <Link href="/" className="home">
          {words.name}
        </Link>
        <nav aria-label={words.pages}>
          {can(session, "patient", "caregiver", "clinician") && <Way to="/">{words.scans}</Way>}
          {can(session, "patient", "clinician") && <Way to="/upload">{words.upload}</Way>}
        </nav>
        <p className="account">
          <span>{session.user_id}</span>
          <button type="button" className="plain" onClick={leave}>
            {words.signOut}
          </button>
        </p>
      </header>
      <p className="disclaimer" role="note">
        {words.disclaimer}
      </p>
      <main id="content" tabIndex={-1}>
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

/** Name a page, in its heading and in the browser's title. */
export function Title({ children }: { children: string }) {
  useEffect(() => {
    document.title = `${children} · ${messages.frame.name}`;
  }, [children]);
  return <h1>{children}</h1>;
}
