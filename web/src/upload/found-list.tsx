// SPDX-License-Identifier: Apache-2.0
// The series that were found, each with what it looks like and why; which of them are to be sent.
import { useEffect, useState } from "react";
import { plural, size } from "../format";
import { messages } from "../messages/en";
import type { Found, Series, Study } from "./series";

export function FoundList({
  found,
  needsAccount,
  send,
  clear,
}: {
  found: Found;
  needsAccount: boolean;
  send: (series: Series[], userId: string | null) => void;
  clear: () => void;
}) {
  const words = messages.upload;
  const [picked, setPicked] = useState<ReadonlySet<string>>(new Set());
  const [account, setAccount] = useState("");
  useEffect(() => {
    // Of several people it is for the sender to say whose scan is meant.
    const suggested = found.people > 1 ? [] : found.studies.flatMap(({ best }) => best ?? []);
    setPicked(new Set(suggested));
  }, [found]);
  const every = found.studies.flatMap(({ series }) => series);
  const wanted = every.filter(({ key }) => picked.has(key));
  const toggle = (key: string) => {
    const next = new Set(picked);
    if (!next.delete(key)) next.add(key);
    setPicked(next);
  };
  return (
    <form
      className="found"
      onSubmit={(event) => {
        event.preventDefault();
        send(wanted, account.trim() || null);
      }}
    >
      <h2>{words.found}</h2>
      <p role="status" className="why">
        {words.foundCount(every.length, filesOf(found))}
      </p>
      {every.length === 0 && <p className="lead warned">{words.nothing}</p>}
      {found.people > 1 && <p className="lead warned">{words.people(found.people)}</p>}
      {found.studies.map((study, place) => (
        <StudyChoice
          key={study.key}
          study={study}
          title={words.study(place + 1, found.studies.length)}
          picked={picked}
          toggle={toggle}
        />
      ))}
      <Skipped found={found} />
      {every.length > 0 && needsAccount && (
        <label className="field">
          {words.account}
          <input
            required
            autoComplete="off"
            maxLength={100}
            value={account}
            onChange={(event) => setAccount(event.target.value)}
          />
        </label>
      )}
      <p className="actions">
        {every.length > 0 && (
          <button type="submit" disabled={wanted.length === 0}>
            {words.send(wanted.length, size(wanted.reduce((sum, one) => sum + one.bytes, 0)))}
          </button>
        )}
        <button type="button" className="plain" onClick={clear}>
          {words.clear}
        </button>
      </p>
    </form>
  );
}

function filesOf({ studies, skipped }: Found): number {
  const series = studies.flatMap((study) => study.series);
  return series.reduce((sum, one) => sum + one.sources.length, skipped.length);
}

function StudyChoice({
  study,
  title,
  picked,
  toggle,
}: {
  study: Study;
  title: string;
  picked: ReadonlySet<string>;
  toggle: (key: string) => void;
}) {
  return (
    <fieldset className="study">
      <legend>{title}</legend>
      <ul>
        {study.series.map((series) => (
          <li key={series.key}>
            <label className="series">
              <input
                type="checkbox"
                checked={picked.has(series.key)}
                onChange={() => toggle(series.key)}
              />
              <SeriesFacts series={series} best={series.key === study.best} />
            </label>
          </li>
        ))}
      </ul>
    </fieldset>
  );
}

function SeriesFacts({ series, best }: { series: Series; best: boolean }) {
  const words = messages.upload;
  const facts = [
    series.number !== null && words.number(series.number),
    series.images > 0 && plural(series.images, words.image, words.images),
    size(series.bytes),
  ];
  return (
    <span className="series-facts">
      <span className="series-name">
        {series.description || words.unnamed}{" "}
        <span className={`chip ${series.looks}`}>{words.looks[series.looks]}</span>
        {best && <span className="chip best">{words.best}</span>}
      </span>
      <span className="why">{facts.filter(Boolean).join(" · ")}</span>
      <span className="why">{words.because[series.because]}</span>
    </span>
  );
}

function Skipped({ found: { skipped } }: { found: Found }) {
  const words = messages.upload;
  if (skipped.length === 0) return null;
  return (
    <details className="skipped">
      <summary>{words.skipped(skipped.length)}</summary>
      <ul>
        {skipped.slice(0, 50).map(({ name, skip }) => (
          <li key={name}>
            <code>{name}</code> <span className="why">{words.skips[skip]}</span>
          </li>
        ))}
      </ul>
      {skipped.length > 50 && <p className="why">{words.more(skipped.length - 50)}</p>}
    </details>
  );
}
