// SPDX-License-Identifier: Apache-2.0
// The entries of the log, the newest first, as far as a filter lets them through.
import { type FormEvent, useState } from "react";
import { moment } from "../format";
import type { Query } from "../http";
import { Awaited, useDocument } from "../loading";
import { messages } from "../messages/en";
import { Pager } from "../parts/pager";
import { Section, Table } from "../result/section";

/** An entry's header, as the audit service lists it. */
export interface EntryRow {
  sequence: number;
  action: string;
  actor: string | null;
  occurred_at: string | null;
  logged_at: string;
  outcome: string;
  scan_id: string | null;
  subject_id: string;
  type: string;
}

interface Page {
  entries: EntryRow[];
  next_cursor: string | null;
}

const LIMIT = 50;
const NOBODY = /^0+$/;
const TEXTS = ["action", "actor", "user", "subject", "scan", "type"] as const;
const TIMES = ["from", "to"] as const;

export function Entries({
  chosen,
  choose,
}: {
  chosen: number | undefined;
  choose: (entry: EntryRow) => void;
}) {
  const words = messages.log;
  const [filter, setFilter] = useState<Query>({});
  const [cursor, setCursor] = useState<string | null>(null);
  const page = useDocument<Page>("/api/v1/audit/entries", {
    ...filter,
    limit: LIMIT,
    cursor,
  });
  const narrow = (wanted: Query) => {
    setCursor(null);
    setFilter(wanted);
  };
  return (
    <Section title={words.entries}>
      <FilterForm narrow={narrow} />
      <Awaited of={page}>
        {({ entries, next_cursor }) => (
          <>
            <EntryTable entries={entries} chosen={chosen} choose={choose} />
            <Pager words={words} cursor={cursor} next={next_cursor} go={setCursor} />
          </>
        )}
      </Awaited>
    </Section>
  );
}

function FilterForm({ narrow }: { narrow: (wanted: Query) => void }) {
  const words = messages.log;
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    narrow(filterOf(new FormData(event.currentTarget)));
  };
  return (
    <details className="filtering">
      <summary>{words.narrow}</summary>
      <form className="filter" onSubmit={submit} onReset={() => narrow({})}>
        {TEXTS.map((name) => (
          <label key={name}>
            {words.filters[name]}
            <input name={name} maxLength={500} autoComplete="off" spellCheck={false} />
          </label>
        ))}
        <label>
          {words.filters.outcome}
          <select name="outcome">
            {Object.entries(words.outcomes).map(([value, text]) => (
              <option key={value} value={value}>
                {text}
              </option>
            ))}
          </select>
        </label>
        {TIMES.map((name) => (
          <label key={name}>
            {words.filters[name]}
            <input name={name} type="datetime-local" />
          </label>
        ))}
        <div className="choices">
          <button type="submit">{words.filter}</button>
          <button type="reset" className="plain">
            {words.clear}
          </button>
        </div>
      </form>
    </details>
  );
}

/** The parameters of a filter; moments are the reader's, and are sent in UTC. */
export function filterOf(form: FormData): Query {
  const text = (name: string) => String(form.get(name) ?? "").trim();
  const moment = (name: string) => (text(name) ? new Date(text(name)).toISOString() : "");
  return {
    ...Object.fromEntries([...TEXTS, "outcome"].map((name) => [name, text(name)])),
    ...Object.fromEntries(TIMES.map((name) => [name, moment(name)])),
  };
}

function EntryTable({
  entries,
  chosen,
  choose,
}: {
  entries: readonly EntryRow[];
  chosen: number | undefined;
  choose: (entry: EntryRow) => void;
}) {
  const words = messages.log;
  if (entries.length === 0) return <p>{words.none}</p>;
  return (
    <Table caption={words.entriesCaption} heads={words.heads}>
      {entries.map((entry) => (
        <tr key={entry.sequence} aria-current={entry.sequence === chosen ? "true" : undefined}>
          <th scope="row">{entry.sequence}</th>
          <td className="when">{moment(entry.occurred_at ?? entry.logged_at)}</td>
          <td title={entry.type}>{entry.action}</td>
          <td>{byWhom(entry)}</td>
          <td>
            <code title={entry.subject_id}>{aboutWhom(entry)}</code>
          </td>
          <td className={entry.outcome}>{entry.outcome}</td>
          <td>
            <button
              type="button"
              className="plain"
              aria-label={words.proveOf(entry.sequence)}
              onClick={() => choose(entry)}
            >
              {words.prove}
            </button>
          </td>
        </tr>
      ))}
    </Table>
  );
}

function byWhom({ actor, subject_id }: EntryRow): string {
  const words = messages.log;
  if (actor === null) return words.nobody;
  return actor === subject_id || actor === "self" ? words.itself : actor;
}

function aboutWhom({ subject_id }: EntryRow): string {
  return NOBODY.test(subject_id) ? messages.log.nobody : `${subject_id.slice(0, 8)}…`;
}
