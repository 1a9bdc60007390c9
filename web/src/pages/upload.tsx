// SPDX-License-Identifier: Apache-2.0
// Send scans: drop them, see what they are, choose, and follow them to their results.
import { useEffect } from "react";
import { Title } from "../frame";
import { messages } from "../messages/en";
import { can, useSession } from "../session";
import { DropZone } from "../upload/drop-zone";
import { FoundList } from "../upload/found-list";
import { clear, intake } from "../upload/intake";
import { JobList } from "../upload/job-list";
import { Queue } from "../upload/queue";
import { send } from "../upload/send";
import type { Series } from "../upload/series";
import { useStore } from "../upload/store";

const queue = new Queue(send);

export function UploadPage() {
  const words = messages.upload;
  const session = useSession();
  const { looking, found } = useStore(intake);
  useUnfinished();
  if (!can(session, "patient", "clinician")) {
    return (
      <>
        <Title>{words.title}</Title>
        <p className="lead warned">{words.notAllowed}</p>
      </>
    );
  }
  const sendAll = (series: Series[], userId: string | null) => {
    queue.add(series.map((one) => ({ ...one, title: one.description || words.unnamed, userId })));
    clear();
  };
  return (
    <>
      <Title>{words.title}</Title>
      <p>{words.intro}</p>
      <DropZone small={found !== null} />
      {looking && (
        <p role="status" className="looking">
          {words.looking(looking.done, looking.total)}
          <progress value={looking.total ? looking.done / looking.total : 0} max={1} aria-hidden />
        </p>
      )}
      {found && (
        <FoundList
          found={found}
          needsAccount={!can(session, "patient")}
          send={sendAll}
          clear={clear}
        />
      )}
      <JobList queue={queue} />
    </>
  );
}

/** Ask before the window is closed while something is on its way. */
function useUnfinished(): void {
  useEffect(() => {
    const ask = (event: BeforeUnloadEvent) => {
      if (queue.busy) event.preventDefault();
    };
    window.addEventListener("beforeunload", ask);
    return () => window.removeEventListener("beforeunload", ask);
  }, []);
}
