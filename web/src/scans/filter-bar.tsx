// SPDX-License-Identifier: Apache-2.0
// The fields of the filter above the list. What is typed is asked for when the typing stops.
import { useEffect, useState } from "react";
import { useLocation, useSearch } from "wouter";
import { messages } from "../messages/en";
import { type Filter, filterOf, queryOf } from "./filter";

const STOPPED_MS = 300;

export function FilterBar({ people }: { people: boolean }) {
  const { filter: label, filters, heads } = messages.scans;
  const [draft, setDraft] = useDraft();
  const field = (name: keyof Filter, type: "search" | "date") => (
    <label>
      {filters[name as keyof typeof filters]}
      <input
        type={type}
        value={draft[name]}
        onChange={(event) => setDraft({ ...draft, [name]: event.target.value })}
      />
    </label>
  );
  return (
    <search className="filter" aria-label={label}>
      {people && field("user_id", "search")}
      {field("q", "search")}
      <Choice
        label={heads.status}
        value={draft.status}
        words={messages.statuses}
        choose={(status) => setDraft({ ...draft, status })}
      />
      <Choice
        label={heads.severity}
        value={draft.severity}
        words={messages.distances}
        choose={(severity) => setDraft({ ...draft, severity })}
      />
      {field("from", "date")}
      {field("to", "date")}
    </search>
  );
}

/** The filter as it is typed; the address follows it, and it follows the address. */
function useDraft() {
  const [path, go] = useLocation();
  const shown = queryOf(filterOf(useSearch()));
  const [draft, setDraft] = useState(() => filterOf(shown));
  useEffect(() => setDraft(filterOf(shown)), [shown]);
  const typed = queryOf(draft);
  useEffect(() => {
    if (typed === shown) return;
    const timer = window.setTimeout(() => go(path + typed, { replace: true }), STOPPED_MS);
    return () => window.clearTimeout(timer);
  }, [typed, shown, path, go]);
  return [draft, setDraft] as const;
}

function Choice({
  label,
  value,
  words,
  choose,
}: {
  label: string;
  value: string;
  words: Record<string, string>;
  choose: (value: string) => void;
}) {
  return (
    <label>
      {label}
      <select value={value} onChange={(event) => choose(event.target.value)}>
        <option value="">{messages.scans.any}</option>
        {Object.entries(words).map(([code, text]) => (
          <option key={code} value={code}>
            {text}
          </option>
        ))}
      </select>
    </label>
  );
}
