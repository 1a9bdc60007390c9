// SPDX-License-Identifier: Apache-2.0
// What the scan says in a sentence and four words, and whether it could be measured.
import { NormBar } from "../charts/norm-bar";
import type { Summary } from "../contracts/events";
import type { Analysis } from "../documents";
import { centile, plain, thickness, volume } from "../format";
import { sentence } from "../loading";
import { messages } from "../messages/en";
import { nameOf, Section } from "./section";

const ORDER = ["hippocampal", "ventricular_enlargement", "cortical", "whole_brain"];

export function Lead({ document }: { document: Analysis }) {
  const { error, reasons } = document;
  if (error) {
    return (
      <div className="lead refused">
        <p>
          <strong>{sentence(error.message)}</strong> {error.hint && sentence(error.hint)}
        </p>
        <p className="why">
          {messages.loading.code} <code>{error.code}</code>
        </p>
      </div>
    );
  }
  const why = reasons.atrophy["overall"];
  return (
    <Section id="summary" title={messages.result.summary}>
      <p className="lead">
        {overall(document)} {why && messages.result.reason(plain(why))}
      </p>
      <Tiles document={document} />
      <Verdict document={document} />
    </Section>
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

function Tiles({ document }: { document: Analysis }) {
  const { summaries } = document.atrophy;
  const known = ORDER.flatMap((name) => {
    const summary = summaries[name];
    return summary ? [{ name, summary }] : [];
  });
  if (known.length === 0) return null;
  return (
    <ul className="tiles">
      {known.map(({ name, summary }) => (
        <li key={name} className={`tile ${summary.severity ?? "absent"}`}>
          <h3>{messages.result.tiles[name] ?? nameOf(name)}</h3>
          <Tile document={document} summary={summary} />
        </li>
      ))}
    </ul>
  );
}

function Tile({ document, summary }: { document: Analysis; summary: Summary }) {
  const { region } = summary;
  const score = region ? scoreOf(document, region) : null;
  if (score?.z == null) return <p className="why">{summary.sentence}</p>;
  return (
    <>
      <p className="tile-word">{messages.severity(score.severity, score.direction)}</p>
      <NormBar z={score.z} sd={score.z_sd} />
      <p className="why">
        {score.measured}
        {score.centile !== null &&
          ` · ${messages.norms.centile(centile(score.centile, score.centile_band))}`}
      </p>
    </>
  );
}

function scoreOf({ atrophy }: Analysis, name: string) {
  const region = atrophy.regions[name];
  if (region?.volume_mm3 != null) {
    return { ...region, measured: volume(region.volume_mm3, region.error_sd_mm3) };
  }
  const thick = atrophy.thickness[name];
  if (thick?.thickness_mm == null) return null;
  return { ...thick, measured: thickness(thick.thickness_mm, thick.error_sd_mm) };
}

/** Whether the scan could be measured, and what to keep in mind. */
export function Verdict({ document }: { document: Analysis }) {
  const { quality, atrophy } = document;
  if (!quality) return null;
  const notes = [
    ...(quality.reasons ?? []).map((reason) => reason.message),
    ...atrophy.flags.map((flag) => messages.flags[flag] ?? plain(flag)),
  ];
  return (
    <div className={`quality ${quality.verdict}`}>
      <p>
        <strong>{messages.result.quality}:</strong> {messages.verdicts[quality.verdict]}
      </p>
      {notes.length > 0 && (
        <ul>
          {notes.map((note) => (
            <li key={note}>{sentence(note)}</li>
          ))}
        </ul>
      )}
    </div>
  );
}
