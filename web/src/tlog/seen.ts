// SPDX-License-Identifier: Apache-2.0
// What this browser keeps of a log from one visit to the next: its key, the largest checkpoint that
// verified, and the keys of witnesses that somebody entered. All of it is public by nature.
import type { Seen } from "./check";

const SEEN = "memoryguard.log.seen";
const WITNESSES = "memoryguard.log.witnesses";

export function recall(storage: Storage): Seen | null {
  const kept = parsed(storage.getItem(SEEN));
  if (typeof kept !== "object" || kept === null) return null;
  const { key, note } = kept as Partial<Seen>;
  return typeof key === "string" && typeof note === "string" ? { key, note } : null;
}

export function remember(storage: Storage, seen: Seen): void {
  storage.setItem(SEEN, JSON.stringify(seen));
}

export function forget(storage: Storage): void {
  storage.removeItem(SEEN);
}

export function witnessesIn(storage: Storage): string[] {
  const kept = parsed(storage.getItem(WITNESSES));
  return Array.isArray(kept) ? kept.filter((each) => typeof each === "string") : [];
}

export function keepWitnesses(storage: Storage, keys: readonly string[]): void {
  storage.setItem(WITNESSES, JSON.stringify(keys));
}

function parsed(text: string | null): unknown {
  try {
    return JSON.parse(text ?? "null");
  } catch {
    return null; // not ours
  }
}
