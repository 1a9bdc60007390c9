// SPDX-License-Identifier: Apache-2.0
// How similar the person is to diagnosed groups today, and why the model says so.
import { stepsOf, Waterfall } from "../charts/waterfall";
import type { Analysis, Risk } from "../documents";
import { number, plain, signed } from "../format";
import { sentence } from "../loading";
import { messages } from "../messages/en";
import { nameOf, Section, Table } from "./section";

export function Similarity({ document }: { document: Analysis }) {
  const words = messages.risk;
  const { risk, reasons } = document;
  return (
    <Section id="similarity" title={words.title}>
      {risk ? (
        <Answer risk={risk} />
      ) : (
        <>
          <p>{words.withheld}</p>
          <ul>
            {reasons.risk.map((reason) => (
              <li key={reason.code}>{sentence(reason.message)}</li>
            ))}
          </ul>
        </>
      )}
    </Section>
  );
}

function Answer({ risk }: { risk: Risk }) {
  const words = messages.risk;
  return (
    <>
      <Table caption={words.caption} heads={words.groups} numeric={words.groups.slice(1, 2)}>
        {Object.entries(risk.probabilities).map(([group, share]) => (
          <tr key={group}>
            <th scope="row">{nameOf(group)}</th>
            <td className="number">{percent(share)}</td>
            <td>{interval(risk.intervals95?.[group])}</td>
          </tr>
        ))}
      </Table>
      {risk.prevalence && <p className="why">{words.prevalence(shares(risk.prevalence))}</p>}
      <Waterfall
        steps={stepsOf(risk.base, risk.contributions, nameOf)}
        base={risk.base}
        output={risk.output}
        caption={words.moved(
          nameOf(risk.explained),
          percent(risk.base),
          risk.baseline ?? words.mean,
          percent(risk.output),
        )}
      />
      <Table caption={words.inputs} heads={words.heads} numeric={words.heads.slice(1, 3)}>
        {risk.contributions.map((c) => (
          <tr key={c.feature}>
            <th scope="row">{nameOf(c.feature)}</th>
            <td className="number">{number(c.value)}</td>
            <td className="number">{signed(100 * c.contribution)}</td>
            <td className="words">{c.sentence}</td>
          </tr>
        ))}
      </Table>
      {Object.keys(risk.missing).length > 0 && (
        <p className="why">{words.missing(listed(risk.missing))}</p>
      )}
    </>
  );
}

function percent(share: number): string {
  return `${(100 * share).toFixed(0)} %`;
}

function interval(ends: [number, number] | undefined): string {
  return ends ? messages.risk.interval((100 * ends[0]).toFixed(0), percent(ends[1])) : "";
}

function shares(prevalence: Record<string, number>): string {
  return Object.entries(prevalence)
    .map(([group, share]) => `${nameOf(group)} ${percent(share)}`)
    .join(", ");
}

function listed(missing: Record<string, string>): string {
  return Object.entries(missing)
    .map(([name, why]) => `${nameOf(name)} (${plain(why)})`)
    .join(", ");
}
