// SPDX-License-Identifier: Apache-2.0
// A scan that is open is shown as long as it may be seen: what is taken back leaves the page at once.
import { type ReactNode, useCallback, useEffect, useState } from "react";
import { Link } from "wouter";
import { Title } from "./frame";
import { get, Problem } from "./http";
import { messages } from "./messages/en";
import { can, useSession } from "./session";
import { BreakGlass } from "./sharing/break-glass";

export function StillOpen({ id, children }: { id: string; children: ReactNode }) {
  const session = useSession();
  const [standing, asked, again] = useStanding(`/api/v1/imaging/${encodeURIComponent(id)}`);
  if (standing === "open") return children;
  const words = standing === "closed" ? messages.closed : messages.notFound;
  return (
    <div role="alert">
      <Title>{words.title}</Title>
      <p className="lead warned">{words.text}</p>
      {standing === "absent" && asked > 0 && <p>{messages.breakGlass.another}</p>}
      <p>
        <Link href="/">{messages.notFound.home}</Link>
      </p>
      {can(session, "clinician") && <BreakGlass opened={again} />}
    </div>
  );
}

/** A scan is taken to be open until the platform says otherwise; `absent` was never open here. */
type Standing = "open" | "closed" | "absent";

/** Where a scan stands, how often somebody has asked again, and how to. */
function useStanding(path: string): [Standing, number, () => void] {
  const [standing, setStanding] = useState<Standing>("open");
  const [times, setTimes] = useState(0);
  // biome-ignore lint/correctness/useExhaustiveDependencies: `times` asks again
  useEffect(() => {
    let opened = false;
    const events = new EventSource(`${path}/events?stay=1`);
    const end = () => {
      events.close();
      setStanding(opened ? "closed" : "absent");
    };
    events.addEventListener("closed", end);
    events.addEventListener("open", () => {
      opened = true;
    });
    events.addEventListener("error", () => {
      // A line that broke is joined again by the browser; this one the platform refuses.
      if (events.readyState !== EventSource.CLOSED) return;
      get(`${path}/status`).catch((error) => {
        if (error instanceof Problem && error.status === 404) end();
      });
    });
    return () => events.close();
  }, [path, times]);
  const again = useCallback(() => {
    setStanding("open");
    setTimes((n) => n + 1);
  }, []);
  return [standing, times, again];
}
