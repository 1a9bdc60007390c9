// SPDX-License-Identifier: Apache-2.0
// Change of each volume over the person's scans, with its interval.
import type { Change } from "../contracts/events";
import type { Analysis } from "../documents";
import { signed } from "../format";
import { messages } from "../messages/en";
import { nameOf, Section, Table, Why } from "./section";

export function Changes({ document }: { document: Analysis }) {
  const words = messages.change;
  const changes = Object.entries(document.atrophy.change);
  return (
    <Section title={words.title}>
      {changes.length === 0 ? (
        <p>
          {words.none} <Why code={document.reasons.atrophy["change"] ?? "no_earlier_scan"} />
        </p>
      ) : (
        <Table caption={words.caption} heads={words.heads}>
          {changes.map(([name, change]) => (
            <Row key={name} name={name} change={change} />
          ))}
        </Table>
      )}
    </Section>
  );
}

function Row({ name, change }: { name: string; change: Change }) {
  const rate = change.percent_per_year;
  const interval = change.ci95_percent_per_year;
  const noise = change.within_measurement_noise ? ` (${messages.change.noise})` : "";
  const published = Object.entries(change.published_percent_per_year ?? {});
  return (
    <tr>
      <th scope="row">{nameOf(name)}</th>
      <td>{change.scans}</td>
      <td>{change.interval_years.toFixed(1)}</td>
      <td>{rate === null ? <Why code={change.reason} /> : `${signed(rate, " %")}${noise}`}</td>
      <td>
        {interval ? (
          messages.change.interval(signed(interval[0], " %"), signed(interval[1], " %"))
        ) : (
          <Why code={change.error_reason} />
        )}
      </td>
      <td>
        {published.map(([group, mean]) => (
          <div key={group}>{`${signed(mean, " %")} ${group}`}</div>
        ))}
      </td>
    </tr>
  );
}
