// SPDX-License-Identifier: Apache-2.0
// Where a result comes from: what measured it, with which norms and model, and what was known.
import type { Engine } from "../contracts/events";
import type { Analysis } from "../documents";
import { number, plain } from "../format";
import { messages } from "../messages/en";
import { ProofCheck } from "../tlog/proof-check";
import { nameOf, Section, Table } from "./section";

export function Health({ document }: { document: Analysis }) {
  const words = messages.health;
  const given = Object.entries(document.health);
  if (given.length === 0) return null;
  return (
    <Section id="health" title={words.title}>
      <Table caption={words.caption} heads={words.heads} numeric={words.heads.slice(1, 2)}>
        {given.map(([metric, { value, provenance }]) => (
          <tr key={metric}>
            <th scope="row">{nameOf(metric)}</th>
            <td className="number">{number(value)}</td>
            <td>{plain(provenance)}</td>
          </tr>
        ))}
      </Table>
    </Section>
  );
}

export function Provenance({ document }: { document: Analysis }) {
  const words = messages.provenance;
  const answered = document.risk ?? document.risk_withheld;
  const packs = Object.entries(document.atrophy.packs).sort();
  const seconds = Object.entries(document.seconds);
  return (
    <Section id="provenance" title={words.title}>
      <dl>
        <dt>{words.scan}</dt>
        <dd>
          <code>{document.id}</code>
        </dd>
        {document.engine && <Made by={document.engine} term={words.engine} />}
        {answered && <Made by={answered.model} term={words.model} />}
        {packs.length > 0 && (
          <>
            <dt>{words.norms}</dt>
            <dd>{packs.map(([name, pack]) => `${name} ${pack.version}`).join(", ")}</dd>
          </>
        )}
        {seconds.length > 0 && (
          <>
            <dt>{words.time}</dt>
            <dd>{seconds.map(([step, s]) => `${plain(step)} ${s.toFixed(1)} s`).join(", ")}</dd>
          </>
        )}
      </dl>
      <ProofCheck id={document.id} />
    </Section>
  );
}

function Made({ by, term }: { by: Engine; term: string }) {
  return (
    <>
      <dt>{term}</dt>
      <dd>
        {by.name} {by.version}, {messages.provenance.weights} <code>{by.weights_sha256}</code>
      </dd>
    </>
  );
}
