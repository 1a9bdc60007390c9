// SPDX-License-Identifier: Apache-2.0
// What was dropped or chosen, on whatever page, until it is sent or put away.
import { type Found, type Looked, look, sorted } from "./series";
import { fromFile, type Source } from "./source";
import { Store } from "./store";

export interface Intake {
  looking: { done: number; total: number } | null;
  found: Found | null;
}

const NOTHING: Intake = { looking: null, found: null };
export const MAX_FILES = 20_000;

export const intake = new Store<Intake>(NOTHING);
let looked: Looked[] = [];

/** Look at more files, beside those that are here already. */
export async function take(sources: Promise<Source[]> | Source[]): Promise<void> {
  intake.set({ ...intake.get(), looking: { done: 0, total: 0 } });
  const given = (await sources).slice(0, MAX_FILES);
  const known = new Set(looked.map(({ source }) => source.name));
  const fresh = given.filter(({ name }) => !known.has(name));
  const found = await look(fresh, (done, total) =>
    intake.set({ ...intake.get(), looking: { done, total } }),
  );
  looked = [...looked, ...found];
  intake.set({ looking: null, found: sorted(looked) });
}

/** Put away what was found. */
export function clear(): void {
  looked = [];
  intake.set(NOTHING);
}

export function chosen(files: FileList | null): Source[] {
  return [...(files ?? [])].map((file) => fromFile(file));
}

/** The files of a drop, those in folders too. */
export async function dropped(transfer: DataTransfer): Promise<Source[]> {
  // Entries must be asked for at once: later the list of items is empty.
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.() ?? null);
  if (entries.every((entry) => entry === null)) return chosen(transfer.files);
  const lists = await Promise.all(entries.map((entry) => (entry ? filesOf(entry) : [])));
  return lists.flat();
}

async function filesOf(entry: FileSystemEntry): Promise<Source[]> {
  const path = entry.fullPath.replace(/^\//, "");
  if (entry.isFile) {
    const file = await new Promise<File>((resolve, reject) =>
      (entry as FileSystemFileEntry).file(resolve, reject),
    );
    return [fromFile(file, path)];
  }
  const reader = (entry as FileSystemDirectoryEntry).createReader();
  const found: Source[] = [];
  for (;;) {
    const some = await new Promise<FileSystemEntry[]>((resolve, reject) =>
      reader.readEntries(resolve, reject),
    );
    if (some.length === 0) return found;
    for (const each of some) found.push(...(await filesOf(each)));
  }
}
