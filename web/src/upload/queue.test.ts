// SPDX-License-Identifier: Apache-2.0
import { expect, it } from "vitest";
import { Problem } from "../http";
import { Queue } from "./queue";
import type { Parcel, UploadAnswer } from "./send";

const ANSWER: UploadAnswer = { scans: [], series: [], counts: {}, files: [] };
const job = (title: string) => ({ title, images: 1, bytes: 10, sources: [], userId: null });

/** A receiver that answers when told to. */
function receiver() {
  const open: {
    parcel: Parcel;
    told: (sent: number, total: number) => void;
    signal: AbortSignal;
    resolve: (answer: UploadAnswer) => void;
    reject: (error: unknown) => void;
  }[] = [];
  const send = (parcel: Parcel, told: (sent: number, total: number) => void, signal: AbortSignal) =>
    new Promise<UploadAnswer>((resolve, reject) => {
      signal.addEventListener("abort", () => reject(signal.reason));
      open.push({ parcel, told, signal, resolve, reject });
    });
  return { open, queue: new Queue(send) };
}

const states = (queue: Queue) => queue.jobs.get().map(({ state }) => state);
const settled = () => new Promise((resolve) => setImmediate(resolve));

it("sends one after another", async () => {
  const { open, queue } = receiver();
  queue.add([job("a"), job("b")]);
  expect(states(queue)).toEqual(["sending", "waiting"]);
  open[0]?.told(5, 10);
  expect(queue.jobs.get()[0]?.share).toBe(0.5);
  open[0]?.told(10, 10);
  expect(states(queue)[0]).toBe("checking");
  open[0]?.resolve(ANSWER);
  await settled();
  expect(states(queue)).toEqual(["taken", "sending"]);
  open[1]?.resolve(ANSWER);
  await settled();
  expect(states(queue)).toEqual(["taken", "taken"]);
  expect(queue.busy).toBe(false);
});

it("goes on after a refusal, and repeats it under the same key", async () => {
  const { open, queue } = receiver();
  queue.add([job("a"), job("b")]);
  open[0]?.reject(new Problem(0, "unreachable", "away", null));
  await settled();
  expect(states(queue)).toEqual(["refused", "sending"]);
  expect(queue.jobs.get()[0]?.problem?.code).toBe("unreachable");
  queue.again(queue.jobs.get()[0]?.id ?? "");
  open[1]?.resolve(ANSWER);
  await settled();
  expect(open[2]?.parcel.id).toBe(open[0]?.parcel.id);
  open[2]?.resolve(ANSWER);
  await settled();
  expect(states(queue)).toEqual(["taken", "taken"]);
  expect(queue.jobs.get()[0]?.problem).toBeUndefined();
});

it("cancels what waits and what is on its way", async () => {
  const { open, queue } = receiver();
  queue.add([job("a"), job("b"), job("c")]);
  const [a, b] = queue.jobs.get();
  queue.cancel(b?.id ?? "");
  queue.cancel(a?.id ?? "");
  await settled();
  expect(open[0]?.signal.aborted).toBe(true);
  expect(states(queue)).toEqual(["cancelled", "cancelled", "sending"]);
  open[0]?.told(1, 10);
  expect(queue.jobs.get()[0]?.share).toBe(0);
});

it("says of a file that is gone what is wrong", async () => {
  const { open, queue } = receiver();
  queue.add([job("a")]);
  open[0]?.reject(new Error("NotFoundError"));
  await settled();
  expect(queue.jobs.get()[0]?.problem?.code).toBe("unreadable_file");
});
