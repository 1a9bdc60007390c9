// SPDX-License-Identifier: Apache-2.0
// A list that is asked for page by page, and its newest page again while something is worked on.
import { useCallback, useEffect, useRef, useState } from "react";
import type { Page, ScanSummary } from "../documents";
import { get, Problem } from "../http";
import { isFinal } from "../result/progress";
import { asked, filterOf } from "./filter";

const PATH = "/api/v1/imaging";
const AGAIN_MS = 5000;

export interface Listed {
  scans: ScanSummary[];
  next: string | null;
}

type Join = (known: Listed | undefined, page: Page<ScanSummary>) => Listed;

/** The list that a filter lets through; `query` is the filter, as the address has it. */
export function useScans(query: string) {
  const [known, setKnown] = useState<{ query: string; listed: Listed }>();
  const [problem, setProblem] = useState<Problem>();
  const asking = useRef(new AbortController());
  const load = useCallback(
    (cursor: string | null, join: Join) => {
      const { signal } = asking.current;
      get<Page<ScanSummary>>(PATH, { ...asked(filterOf(query)), cursor }, signal)
        .then((page) => {
          setKnown((before) => {
            const listed = before?.query === query ? before.listed : undefined;
            return { query, listed: join(listed, page) };
          });
          setProblem(undefined);
        })
        .catch((error) => {
          if (error instanceof Problem) setProblem(error);
          else if (!signal.aborted) throw error;
        });
    },
    [query],
  );
  const refresh = useCallback(() => load(null, renewed), [load]);
  // What another filter let through stays until there is an answer.
  const listed = known?.query === query || !problem ? known?.listed : undefined;
  const more = useCallback(() => {
    if (known?.query === query && known.listed.next) load(known.listed.next, followed);
  }, [known, query, load]);
  useEffect(() => {
    asking.current = new AbortController();
    refresh();
    return () => asking.current.abort();
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
