// SPDX-License-Identifier: Apache-2.0
// What the scan says in a sentence, and whether it could be measured.
import type { Analysis } from "../documents";
import { plain } from "../format";
import { sentence } from "../loading";
import { messages } from "../messages/en";
import { nameOf, Section } from "./section";

export function Lead({ document }: { document: Analysis }) {
  const { error, atrophy, reasons } = document;
  if (error) {
    return (
      <p className="lead refused">
        {sentence(error.message)} {error.hint && sentence(error.hint)}{" "}
        <span className="why">({error.code})</span>
      </p>
    );
  }
  const why = reasons.atrophy["overall"];
  const summaries = Object.entries(atrophy.summaries);
  return (
    <div className="lead">
      <p>
        {overall(document)} {why && messages.result.reason(plain(why))}
      </p>
      {summaries.length > 0 && (
        <ul>
          {summaries.map(([name, summary]) => (
            <li key={name}>{summary.sentence}</li>
          ))}
        </ul>
      )}
    </div>
  );
}

function overall({ atrophy }: Analysis): string {
  const words = messages.overall;
  if (atrophy.overall === "none") return words.none;
  if (atrophy.overall === "uncertain") return words.uncertain;
  if (atrophy.overall === null) return words.uncompared;
  const region = atrophy.overall_region;
  const direction = (region && atrophy.regions[region]?.direction) || null;
  const said = messages.severity(atrophy.overall, direction);
  const worse = atrophy.overall_at_least ? ` ${words.atLeast}` : "";
  return `${region ? nameOf(region) : words.region}: ${said}.${worse}`;
}

export function QualityVerdict({ document }: { document: Analysis }) {
  const { quality, atrophy } = document;
  if (!quality) return null;
  const notes = [
    ...(quality.reasons ?? []).map((reason) => reason.message),
    ...atrophy.flags.map(plain),
  ];
  return (
    <Section title={messages.result.quality}>
      <p>{messages.verdicts[quality.verdict]}</p>
      {notes.length > 0 && (
        <ul>
          {notes.map((note) => (
            <li key={note}>{sentence(note)}</li>
          ))}
        </ul>
      )}
    </Section>
  );
}
