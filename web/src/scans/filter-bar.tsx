// SPDX-License-Identifier: Apache-2.0
// The fields of the filter above the list.
import { messages } from "../messages/en";
import type { Filter } from "./filter";

export function FilterBar({
  filter,
  change,
  people,
}: {
  filter: Filter;
  change: (filter: Filter) => void;
  people: boolean;
}) {
  const words = messages.scans;
  return (
    <search className="filter" aria-label={words.filter}>
      <label>
        {people ? words.filterPeople : words.filterText}
        <input
          type="search"
          value={filter.text}
          onChange={(event) => change({ ...filter, text: event.target.value })}
        />
      </label>
      <Choice
        label={words.heads.status}
        value={filter.status}
        words={messages.statuses}
        choose={(status) => change({ ...filter, status })}
      />
      <Choice
        label={words.heads.severity}
        value={filter.severity}
        words={messages.distances}
        choose={(severity) => change({ ...filter, severity })}
      />
    </search>
  );
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
