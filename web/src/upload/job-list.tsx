// SPDX-License-Identifier: Apache-2.0
// Uploads that wait, are on their way, or have become scans that are worked on.
import { useCallback, useState } from "react";
import { Link } from "wouter";
import type { ScanStatus } from "../documents";
import { plural, size } from "../format";
import { sentence } from "../loading";
import { messages } from "../messages/en";
import { Progress } from "../result/progress";
import type { Job, Queue } from "./queue";
import type { SentScan, Told, UploadAnswer } from "./send";
import { useStore } from "./store";

export function JobList({ queue }: { queue: Queue }) {
  const words = messages.upload;
  const jobs = useStore(queue.jobs);
  if (jobs.length === 0) return null;
  return (
    <section aria-labelledby="jobs">
      <h2 id="jobs">{words.jobs}</h2>
      <ol className="jobs">
        {jobs.map((job) => (
          <li key={job.id} className={`job ${job.state}`}>
            <JobCard job={job} queue={queue} />
          </li>
        ))}
      </ol>
    </section>
  );
}

function JobCard({ job, queue }: { job: Job; queue: Queue }) {
  const words = messages.upload;
  const moving = job.state === "sending" || job.state === "checking";
  return (
    <>
      <p className="job-head">
        <strong>{job.title}</strong>
        <span className="why" role="status">
          {words.states[job.state]}
        </span>
        {(moving || job.state === "waiting") && (
          <button
            type="button"
            className="plain"
            aria-label={`${words.cancel}: ${job.title}`}
            onClick={() => queue.cancel(job.id)}
          >
            {words.cancel}
          </button>
        )}
      </p>
      {moving && <Sent job={job} />}
      {job.problem && <Refused job={job} queue={queue} />}
      {job.answer && <Taken answer={job.answer} />}
    </>
  );
}

function Sent({ job }: { job: Job }) {
  const words = messages.upload;
  const percent = Math.round(100 * job.share);
  const files = job.sources.length;
  const done = filesWithin(job);
  return (
    <div className="sent">
      <progress value={job.share} max={1} aria-label={`${job.title}: ${percent} %`} />
      <p className="why">
        {job.state === "checking"
          ? words.checking
          : words.sent(done, plural(files, words.file, words.files), percent, size(job.bytes))}
      </p>
    </div>
  );
}

/** How many files are on their way as a whole: they go one after the other. */
export function filesWithin({ sources, share }: Pick<Job, "sources" | "share">): number {
  const total = sources.reduce((sum, source) => sum + source.bytes, 0);
  let left = share * total;
  return sources.filter((source) => {
    left -= source.bytes;
    return left >= 0;
  }).length;
}

function Refused({ job, queue }: { job: Job; queue: Queue }) {
  const words = messages.upload;
  const { problem } = job;
  if (!problem) return null;
  const advice = words.advice[problem.code];
  const { files = [], series = [] } = problem.details as Partial<UploadAnswer>;
  return (
    <div className="lead refused" role="alert">
      <p>
        <strong>{sentence(problem.message)}</strong>{" "}
        {advice ?? (problem.hint && sentence(problem.hint))}
      </p>
      <Notes told={[...series, ...files]} />
      <p className="why">
        {messages.loading.code} <code>{problem.code}</code>
      </p>
      {(problem.status === 0 || problem.status === 429 || problem.status >= 500) && (
        <button type="button" onClick={() => queue.again(job.id)}>
          {messages.loading.again}
        </button>
      )}
    </div>
  );
}

function Taken({ answer }: { answer: UploadAnswer }) {
  const notes = [
    ...answer.series.filter(({ state }) => state !== "announced"),
    ...answer.series.flatMap((one) => one.notes ?? []),
    ...answer.files.filter(({ code }) => code),
  ];
  return (
    <>
      {answer.scans.map((scan) => (
        <Followed key={scan.imaging_id} scan={scan} />
      ))}
      <Notes told={notes} />
    </>
  );
}

/** Every reason that was given, with how often. */
function Notes({ told }: { told: Partial<Told>[] }) {
  const counts = new Map<string, number>();
  for (const { message } of told) if (message) counts.set(message, (counts.get(message) ?? 0) + 1);
  if (counts.size === 0) return null;
  return (
    <details className="why">
      <summary>{messages.upload.notes}</summary>
      <ul>
        {[...counts].map(([message, times]) => (
          <li key={message}>
            {sentence(message)} {times > 1 && `(${times} ×)`}
          </li>
        ))}
      </ul>
    </details>
  );
}

function Followed({ scan }: { scan: SentScan }) {
  const words = messages.upload;
  const [ended, setEnded] = useState(false);
  const finished = useCallback(() => setEnded(true), []);
  return (
    <div className="followed">
      <Progress id={scan.imaging_id} first={statusOf(scan)} finished={finished} />
      <p>
        <Link href={`/imaging/${scan.imaging_id}`} className={ended ? "button" : ""}>
          {ended ? words.result : words.follow}
        </Link>
      </p>
    </div>
  );
}

function statusOf(scan: SentScan): ScanStatus {
  const at = scan.created_at ?? new Date().toISOString();
  return {
    imaging_id: scan.imaging_id,
    user_id: scan.user_id,
    modality: null,
    status: "uploaded",
    stage: "received",
    created_at: at,
    updated_at: at,
    stages: {},
  };
}
