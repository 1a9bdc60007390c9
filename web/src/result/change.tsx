// SPDX-License-Identifier: Apache-2.0
// Change of each volume over the person's scans, with its interval.
import { ChangeChart } from "../charts/change-chart";
import { RateBar } from "../charts/rate-bar";
import type { Change } from "../contracts/events";
import type { Analysis } from "../documents";
import { signed } from "../format";
import { messages } from "../messages/en";
import { Key } from "./norms";
import { Fold, nameOf, Section, Table, Why } from "./section";

const FIRST = ["hippocampus_total", "lateral_ventricles", "total_brain", "cortical_grey_matter"];
const MM3_PER_ML = 1000;
const HEALTHY = /^healthy\b/i;
const PERCENT = " %";

export function Changes({ document }: { document: Analysis }) {
  const words = messages.change;
  const changes = Object.entries(document.atrophy.change);
  const first = changes.filter(([name]) => FIRST.includes(name));
  const others = changes.filter(([name]) => !FIRST.includes(name));
  return (
    <Section id="change" title={words.title}>
      {changes.length === 0 ? (
        <p>
          {words.none} <Why code={document.reasons.atrophy["change"] ?? "no_earlier_scan"} />
        </p>
      ) : (
        <>
          <Legend />
          <div className="charts">
            {first.map(([name, change]) => (
              <Card key={name} name={name} change={change} />
            ))}
          </div>
          <Rates caption={words.caption} changes={first} />
          {others.length > 0 && (
            <Fold title={words.others(others.length)}>
              <Rates caption={words.othersCaption} changes={others} />
            </Fold>
          )}
        </>
      )}
    </Section>
  );
}

function Card({ name, change }: { name: string; change: Change }) {
  const words = messages.change;
  const { percent_per_year: rate, ci95_percent_per_year: interval, points } = change;
  if (rate === null || !points || points.length < 2) return null;
  const said = sentenceOf(nameOf(name), change);
  return (
    <figure className="chart-card">
      <h3>{nameOf(name)}</h3>
      <p className="why">{words.rate(signed(rate, PERCENT), interval && ends(interval))}</p>
      <ChangeChart
        name={nameOf(name)}
        rate={rate}
        interval={interval}
        healthy={healthyOf(change)}
        said={said}
        points={points.map(({ years, volume_mm3, error_sd_mm3 }) => ({
          years,
          value: volume_mm3 / MM3_PER_ML,
          sd: error_sd_mm3 === null ? null : error_sd_mm3 / MM3_PER_ML,
        }))}
      />
    </figure>
  );
}

function Legend() {
  const words = messages.change.legend;
  return (
    <ul className="legend">
      <li>
        <Key>
          <g className="person">
            <line x1="11" x2="11" y1="0" y2="14" />
            <circle cx="11" cy="7" r="4.5" />
          </g>
        </Key>
        {words.point}
      </li>
      <li>
        <Key>
          <path className="median" d="M0 7h22" />
        </Key>
        {words.line}
      </li>
      <li>
        <Key>
          <rect className="band-outer" width="22" height="14" />
        </Key>
        {words.interval}
      </li>
      <li>
        <Key>
          <rect className="healthy" x="1" y="1" width="20" height="12" />
        </Key>
        {words.healthy}
      </li>
    </ul>
  );
}

function Rates({ caption, changes }: { caption: string; changes: [string, Change][] }) {
  const { heads } = messages.change;
  return (
    <Table caption={caption} heads={heads} numeric={heads.slice(1, 3)}>
      {changes.map(([name, change]) => (
        <Row key={name} name={name} change={change} />
      ))}
    </Table>
  );
}

function Row({ name, change }: { name: string; change: Change }) {
  const rate = change.percent_per_year;
  const interval = change.ci95_percent_per_year;
  const published = Object.entries(change.published_percent_per_year ?? {});
  return (
    <tr>
      <th scope="row">{nameOf(name)}</th>
      <td className="number">
        {rate === null ? <Why code={change.reason} /> : signed(rate, PERCENT)}
        {change.within_measurement_noise && <div className="why">{messages.change.noise}</div>}
      </td>
      <td className="number">{interval ? ends(interval) : <Why code={change.error_reason} />}</td>
      <td>
        {rate !== null && (
          <RateBar
            rate={rate}
            interval={interval}
            healthy={published.filter(([group]) => HEALTHY.test(group)).map(([, mean]) => mean)}
            span={12}
            said={sentenceOf(nameOf(name), change)}
          />
        )}
      </td>
      <td className="why">
        {published.length > 0 && (
          <details>
            <summary>{messages.change.published(published.length)}</summary>
            {published.map(([group, mean]) => (
              <div key={group}>{`${signed(mean, PERCENT)} ${group}`}</div>
            ))}
          </details>
        )}
      </td>
    </tr>
  );
}

/** Lowest and highest published mean of healthy people; null where none is known. */
export function healthyOf(change: Change): [number, number] | null {
  const means = Object.entries(change.published_percent_per_year ?? {})
    .filter(([group]) => HEALTHY.test(group))
    .map(([, mean]) => mean);
  return means.length > 0 ? [Math.min(...means), Math.max(...means)] : null;
}

function ends([low, high]: readonly [number, number]): string {
  return messages.change.interval(signed(low, PERCENT), signed(high, PERCENT));
}

function sentenceOf(name: string, change: Change): string {
  const { percent_per_year: rate, ci95_percent_per_year: interval } = change;
  const healthy = healthyOf(change);
  return messages.change.said(
    name,
    change.scans,
    change.interval_years.toFixed(1),
    signed(rate ?? 0, PERCENT),
    interval ? ends(interval) : null,
    healthy ? ends(healthy) : null,
  );
}
