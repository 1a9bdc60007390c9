// SPDX-License-Identifier: Apache-2.0
// A list that is asked for page by page, and its newest page again while something is worked on.
import { useCallback, useEffect, useState } from "react";
import type { Page, ScanSummary } from "../documents";
import { get, Problem } from "../http";
import { isFinal } from "../result/progress";

const PATH = "/api/v1/imaging";
const AGAIN_MS = 5000;

export interface Listed {
  scans: ScanSummary[];
  next: string | null;
}

export function useScans() {
  const [listed, setListed] = useState<Listed>();
  const [problem, setProblem] = useState<Problem>();
  const load = useCallback((cursor: string | null, join: (page: Page<ScanSummary>) => void) => {
    const abort = new AbortController();
    get<Page<ScanSummary>>(PATH, { cursor }, abort.signal)
      .then((page) => {
        join(page);
        setProblem(undefined);
      })
      .catch((error) => {
        if (error instanceof Problem) setProblem(error);
        else if (!abort.signal.aborted) throw error;
      });
    return abort;
  }, []);
  const refresh = useCallback(
    () => load(null, (page) => setListed((known) => renewed(known, page))),
    [load],
  );
  const more = useCallback(() => {
    if (listed?.next) load(listed.next, (page) => setListed((known) => followed(known, page)));
  }, [listed, load]);
  useEffect(() => {
    const abort = refresh();
    return () => abort.abort();
  }, [refresh]);
  const working = listed?.scans.some((scan) => !isFinal(scan)) ?? false;
  useEffect(() => {
    if (!working) return;
    const timer = window.setInterval(() => {
      if (!document.hidden) refresh();
    }, AGAIN_MS);
    return () => window.clearInterval(timer);
  }, [working, refresh]);
  return { listed, problem, more, refresh };
}

/** The newest page before what was known of older ones. */
export function renewed(known: Listed | undefined, page: Page<ScanSummary>): Listed {
  if (!known || page.next_cursor === null) return { scans: page.items, next: page.next_cursor };
  const fresh = new Set(page.items.map(({ imaging_id }) => imaging_id));
  const oldest = page.items.at(-1)?.created_at ?? "";
  const older = known.scans.filter(
    ({ imaging_id, created_at }) => !fresh.has(imaging_id) && created_at <= oldest,
  );
  return {
    scans: [...page.items, ...older],
    next: older.length > 0 ? known.next : page.next_cursor,
  };
}

export function followed(known: Listed | undefined, page: Page<ScanSummary>): Listed {
  const here = new Set(known?.scans.map(({ imaging_id }) => imaging_id));
  const fresh = page.items.filter(({ imaging_id }) => !here.has(imaging_id));
  return { scans: [...(known?.scans ?? []), ...fresh], next: page.next_cursor };
}
