// SPDX-License-Identifier: Apache-2.0
// A scan that is open is shown as long as it may be seen: what is taken back leaves the page at once.
import { type ReactNode, useEffect, useState } from "react";
import { Link } from "wouter";
import { Title } from "./frame";
import { get, Problem } from "./http";
import { messages } from "./messages/en";

export function StillOpen({ id, children }: { id: string; children: ReactNode }) {
  const words = messages.closed;
  if (!useClosed(`/api/v1/imaging/${encodeURIComponent(id)}`)) return children;
  return (
    <div role="alert">
      <Title>{words.title}</Title>
      <p className="lead warned">{words.text}</p>
      <p>
        <Link href="/">{messages.notFound.home}</Link>
      </p>
    </div>
  );
}

/** Whether a scan that was open to this account is so no more. */
function useClosed(path: string): boolean {
  const [closed, setClosed] = useState(false);
  useEffect(() => {
    let opened = false;
    const events = new EventSource(`${path}/events?stay=1`);
    const end = () => {
      events.close();
      setClosed(true);
    };
    events.addEventListener("closed", end);
    events.addEventListener("open", () => {
      opened = true;
    });
    events.addEventListener("error", () => {
      // Not only a line that broke, which is joined again by itself: the platform refuses to.
      if (!opened || events.readyState !== EventSource.CLOSED) return;
      get(`${path}/status`).catch((error) => {
        if (error instanceof Problem && error.status === 404) end();
      });
    });
    return () => events.close();
  }, [path]);
  return closed;
}
