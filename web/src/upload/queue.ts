// SPDX-License-Identifier: Apache-2.0
// Uploads one after another, whatever page is open.
import { Problem } from "../http";
import type { Parcel, UploadAnswer } from "./send";
import { Store } from "./store";

export type JobState = "waiting" | "sending" | "checking" | "taken" | "refused" | "cancelled";

export interface Job extends Parcel {
  title: string;
  images: number;
  bytes: number;
  state: JobState;
  /** From 0 to 1. */
  share: number;
  answer?: UploadAnswer;
  problem?: Problem;
}

export type Send = (
  parcel: Parcel,
  told: (sent: number, total: number) => void,
  signal: AbortSignal,
) => Promise<UploadAnswer>;

export class Queue {
  readonly jobs = new Store<Job[]>([]);
  private readonly aborts = new Map<string, AbortController>();
  private working = false;

  constructor(private readonly send: Send) {}

  add(jobs: Pick<Job, "title" | "images" | "bytes" | "sources" | "userId">[]): void {
    const fresh = jobs.map((job) => ({ ...job, id: newKey(), state: "waiting", share: 0 }) as Job);
    this.jobs.set([...this.jobs.get(), ...fresh]);
    void this.work();
  }

  cancel(id: string): void {
    this.change(id, { state: "cancelled" });
    this.aborts.get(id)?.abort();
  }

  /** Once more, under the same key: what arrived the first time is not taken in twice. */
  again(id: string): void {
    const { problem: _, answer: __, ...job } = this.find(id);
    this.replace({ ...job, state: "waiting", share: 0 });
    void this.work();
  }

  get busy(): boolean {
    return this.jobs.get().some(({ state }) => ["waiting", "sending", "checking"].includes(state));
  }

  private async work(): Promise<void> {
    if (this.working) return;
    this.working = true;
    for (let job = this.next(); job; job = this.next()) await this.sendOne(job);
    this.working = false;
  }

  private next(): Job | undefined {
    return this.jobs.get().find(({ state }) => state === "waiting");
  }

  private async sendOne(job: Job): Promise<void> {
    const abort = new AbortController();
    this.aborts.set(job.id, abort);
    this.change(job.id, { state: "sending" });
    const told = (sent: number, total: number) =>
      !abort.signal.aborted &&
      this.change(job.id, { state: sent < total ? "sending" : "checking", share: sent / total });
    try {
      const answer = await this.send(job, told, abort.signal);
      this.change(job.id, { state: "taken", share: 1, answer });
    } catch (error) {
      if (!abort.signal.aborted)
        this.change(job.id, { state: "refused", problem: asProblem(error) });
    } finally {
      this.aborts.delete(job.id);
    }
  }

  private find(id: string): Job {
    const job = this.jobs.get().find((each) => each.id === id);
    if (!job) throw new Error("no such upload");
    return job;
  }

  private change(id: string, changed: Partial<Job>): void {
    this.replace({ ...this.find(id), ...changed });
  }

  private replace(job: Job): void {
    this.jobs.set(this.jobs.get().map((each) => (each.id === job.id ? job : each)));
  }
}

function asProblem(error: unknown): Problem {
  if (error instanceof Problem) return error;
  return new Problem(0, "unreadable_file", "a file could not be read", null);
}

function newKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
