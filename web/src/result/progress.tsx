// SPDX-License-Identifier: Apache-2.0
// A scan that is still being worked on, followed by server-sent events.
import { useEffect, useState } from "react";
import type { ScanStatus } from "../documents";
import { sentence } from "../loading";
import { messages } from "../messages/en";

export const STAGES = ["received", "measured", "scored", "explained"] as const;

/** Follow a scan until it is completed or has failed. */
export function useStatus(id: string, first: ScanStatus, finished: () => void): ScanStatus {
  const [status, setStatus] = useState(first);
  useEffect(() => {
    const source = new EventSource(`/api/v1/imaging/${encodeURIComponent(id)}/events`);
    source.addEventListener("status", (event) => {
      const said = JSON.parse(event.data) as ScanStatus;
      setStatus(said);
      if (isFinal(said)) {
        source.close();
        finished();
      }
    });
    return () => source.close();
  }, [id, finished]);
  return status;
}

export function isFinal({ status }: ScanStatus): boolean {
  return status === "completed" || status === "failed";
}

export function Progress({
  id,
  first,
  finished,
}: {
  id: string;
  first: ScanStatus;
  finished: () => void;
}) {
  const status = useStatus(id, first, finished);
  const reached = STAGES.indexOf(status.stage as (typeof STAGES)[number]);
  return (
    <div aria-live="polite">
      <p>
        {messages.progress.status} <strong>{messages.statuses[status.status]}</strong>
      </p>
      {status.error && <p>{sentence(status.error.message)}</p>}
      <ol className="stages">
        {STAGES.map((stage, place) => (
          <li
            key={stage}
            className={place <= reached ? "reached" : ""}
            aria-current={place === reached + 1 && !isFinal(status) ? "step" : undefined}
          >
            {messages.progress.stages[stage]}
          </li>
        ))}
      </ol>
    </div>
  );
}
