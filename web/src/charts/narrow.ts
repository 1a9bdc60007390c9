// SPDX-License-Identifier: Apache-2.0
// Whether there is room beside a chart for its labels.
import { useSyncExternalStore } from "react";

const NARROW = "(max-width: 46rem)";

export function useNarrow(): boolean {
  return useSyncExternalStore(watch, () => matchMedia(NARROW).matches);
}

function watch(changed: () => void): () => void {
  const query = matchMedia(NARROW);
  query.addEventListener("change", changed);
  return () => query.removeEventListener("change", changed);
}
