// SPDX-License-Identifier: Apache-2.0
// What a page shows while it asks, and when it is refused.
import { type ReactNode, useCallback, useEffect, useState } from "react";
import { get, Problem, type Query } from "./http";
import { messages } from "./messages/en";

export type Loaded<T> = { value?: T; problem?: Problem; again: () => void };

/** Ask for a document; `again` asks once more. Null asks for nothing. */
export function useDocument<T>(path: string | null, query: Query = {}): Loaded<T> {
  const [answer, setAnswer] = useState<{ value?: T; problem?: Problem }>({});
  const [times, setTimes] = useState(0);
  const asked = JSON.stringify(query);
  // biome-ignore lint/correctness/useExhaustiveDependencies: `times` asks again
  useEffect(() => {
    if (path === null) return;
    const abort = new AbortController();
    get<T>(path, JSON.parse(asked), abort.signal)
      .then((value) => setAnswer({ value }))
      .catch((error) => {
        if (error instanceof Problem) setAnswer({ problem: error });
        else if (!abort.signal.aborted) throw error;
      });
    return () => abort.abort();
  }, [path, asked, times]);
  const again = useCallback(() => setTimes((n) => n + 1), []);
  return { ...answer, again };
}

/** A document once it is there; until then that it is awaited, or why it does not come. */
export function Awaited<T>({ of, children }: { of: Loaded<T>; children: (value: T) => ReactNode }) {
  if (of.problem) return <Refusal problem={of.problem} again={of.again} />;
  if (of.value === undefined) return <p role="status">{messages.loading.awaited}</p>;
  return children(of.value);
}

/** Why something was refused, and what to do. */
export function Refusal({ problem, again }: { problem: Problem; again?: () => void }) {
  const words = messages.loading;
  return (
    <div className="lead refused" role="alert">
      <p>
        {sentence(problem.message)} {problem.hint && sentence(problem.hint)}
      </p>
      <p className="why">
        {words.code} <code>{problem.code}</code>
      </p>
      {again && problem.status !== 404 && (
        <button type="button" onClick={again}>
          {words.again}
        </button>
      )}
    </div>
  );
}

export function sentence(text: string): string {
  const upper = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?]$/.test(upper) ? upper : `${upper}.`;
}
