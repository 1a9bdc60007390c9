// SPDX-License-Identifier: Apache-2.0
// A file that was made of a scan, as it comes.
import { useEffect, useState } from "react";
import type { Analysis, ArtifactName } from "../documents";
import { ask, Problem } from "../http";

export interface Coming<T> {
  value?: T;
  /** Why it does not come. */
  problem?: Problem;
  /** 0 to 1. */
  share: number;
}

const UNREADABLE = new Problem(0, "unreadable", "the file cannot be read", null);

/** Fetch a file and read it; nothing is fetched until it is `wanted` (by a reader that stays). */
export function useArtifact<T>(
  document: Analysis,
  name: ArtifactName,
  read: (content: ArrayBuffer) => T | Promise<T>,
  wanted = true,
): Coming<T> {
  const artifact = document.artifacts[name];
  const [path, bytes] = [artifact?.path, artifact?.bytes ?? 0];
  const [coming, setComing] = useState<Coming<T>>({ share: 0 });
  useEffect(() => {
    if (!path || !wanted) return;
    const abort = new AbortController();
    ask(path, { signal: abort.signal })
      .then((response) => collected(response, bytes, (share) => setComing({ share })))
      .then(read)
      .then((value) => !abort.signal.aborted && setComing({ value, share: 1 }))
      .catch((error) => {
        if (abort.signal.aborted) return;
        setComing({ problem: error instanceof Problem ? error : UNREADABLE, share: 0 });
      });
    return () => abort.abort();
  }, [path, bytes, wanted, read]);
  return coming;
}

/** All bytes of an answer; says now and then how far it is. */
async function collected(
  response: Response,
  bytes: number,
  tell: (share: number) => void,
): Promise<ArrayBuffer> {
  if (!response.body) return response.arrayBuffer();
  const parts: Uint8Array<ArrayBuffer>[] = [];
  let [had, told] = [0, 0];
  const reader = response.body.getReader();
  for (let { done, value } = await reader.read(); !done; { done, value } = await reader.read()) {
    if (!value) continue;
    parts.push(value);
    had += value.byteLength;
    const share = bytes > 0 ? Math.min(had / bytes, 1) : 0;
    if (share - told < 0.05) continue;
    told = share;
    tell(share);
  }
  return new Blob(parts).arrayBuffer();
}
