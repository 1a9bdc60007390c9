// SPDX-License-Identifier: Apache-2.0
// Two scans of one person side by side. What changed is what the platform said of the later one:
// nothing is worked out here where it said nothing.
import { lazy, Suspense } from "react";
import { Link } from "wouter";
import type { Change } from "../contracts/events";
import type { Analysis } from "../documents";
import { moment, signed, volume, volumeChange } from "../format";
import { Title } from "../frame";
import { Awaited, useDocument } from "../loading";
import { messages } from "../messages/en";
import { nameOf, Section, Table, Why } from "../result/section";

const BeforeAfter = lazy(() => import("../brain/before-after"));

export function ComparePage({ id, other }: { id: string; other: string }) {
  const path = (scan: string) => `/api/v1/imaging/${encodeURIComponent(scan)}/analysis`;
  const one = useDocument<Analysis>(path(id));
  const two = useDocument<Analysis>(path(other));
  return (
    <>
      <Title>{messages.compare.title}</Title>
      <Awaited of={one}>
        {(first) => <Awaited of={two}>{(second) => <Compared pair={[first, second]} />}</Awaited>}
      </Awaited>
    </>
  );
}

/** The two in the order of their dates, if the platform has set one beside the other. */
export function inOrder([one, two]: [Analysis, Analysis]): [Analysis, Analysis] | null {
  if (one.atrophy.earlier_scans.includes(two.imaging_id)) return [two, one];
  if (two.atrophy.earlier_scans.includes(one.imaging_id)) return [one, two];
  return null;
}

function Compared({ pair }: { pair: [Analysis, Analysis] }) {
  const words = messages.compare;
  const ordered = inOrder(pair);
  if (!ordered) {
    const same = pair[0].imaging_id === pair[1].imaging_id;
    return <p className="lead">{same ? words.same : words.unrelated}</p>;
  }
  const [earlier, later] = ordered;
  return (
    <>
      <p className="lead">
        {words.dates(moment(earlier.created_at), moment(later.created_at))} {between(later)}
      </p>
      <Suspense fallback={<div className="stage" />}>
        <BeforeAfter earlier={earlier} later={later} />
      </Suspense>
      <Section title={words.volumes}>
        <Table caption={words.caption} heads={words.heads}>
          {Object.keys(later.volumes_mm3).map((name) => (
            <Row key={name} name={name} earlier={earlier} later={later} />
          ))}
        </Table>
      </Section>
      <p>
        <Link href={`/imaging/${later.imaging_id}`}>{words.back}</Link>
      </p>
    </>
  );
}

/** How much time lies between, where the platform says it of these two alone. */
function between({ atrophy }: Analysis): string {
  const change = Object.values(atrophy.change).find(({ scans }) => scans === 2);
  return change ? messages.compare.years(change.interval_years.toFixed(1)) : "";
}

export function Row({
  name,
  earlier,
  later,
}: {
  name: string;
  earlier: Analysis;
  later: Analysis;
}) {
  const change = later.atrophy.change[name];
  const rate = change?.percent_per_year ?? null;
  const [was, is] = [earlier.volumes_mm3[name] ?? null, later.volumes_mm3[name] ?? null];
  const known = rate !== null && was !== null && is !== null;
  return (
    <tr>
      <th scope="row">{nameOf(name)}</th>
      <Measured document={earlier} name={name} />
      <Measured document={later} name={name} />
      {known && change ? (
        <>
          <td className="number">{volumeChange(was, is)}</td>
          <td>{rateSaid(rate, change)}</td>
          <td>{interval(change)}</td>
        </>
      ) : (
        <td colSpan={3}>
          <Why code={change?.reason ?? later.reasons.atrophy["change"] ?? "not_compared"} />
        </td>
      )}
    </tr>
  );
}

function Measured({ document, name }: { document: Analysis; name: string }) {
  const value = document.volumes_mm3[name];
  if (value == null) {
    return (
      <td>
        <Why code={document.reasons.volumes_mm3[name]} />
      </td>
    );
  }
  return <td className="number">{volume(value, document.errors_sd.volumes_mm3[name])}</td>;
}

function rateSaid(rate: number, change: Change): string {
  const words = messages.compare;
  const notes = [
    change.scans > 2 ? words.over(change.scans) : null,
    change.within_measurement_noise ? words.noise : null,
  ].filter(Boolean);
  return signed(rate, " %") + (notes.length > 0 ? ` (${notes.join(", ")})` : "");
}

function interval({ ci95_percent_per_year: ends, error_reason }: Change) {
  if (!ends) return <Why code={error_reason} />;
  return messages.compare.interval(signed(ends[0], " %"), signed(ends[1], " %"));
}
