// SPDX-License-Identifier: Apache-2.0
// Every volume and thickness with its error, what is expected, z, centile and the word for it.
import { NormBar } from "../charts/norm-bar";
import type { Analysis } from "../documents";
import { centile, signed, thickness, volume } from "../format";
import { messages } from "../messages/en";
import { nameOf, Section, Table, Why } from "./section";

type Group = "volumes_mm3" | "thickness_mm";

export function Volumes({ document }: { document: Analysis }) {
  const words = messages.volumes;
  const rows = (["volumes_mm3", "thickness_mm"] as const).flatMap((group) =>
    Object.keys(document[group]).map((name) => ({ group, name })),
  );
  return (
    <Section title={words.title}>
      <Table caption={words.caption} heads={words.heads}>
        {rows.map(({ group, name }) => (
          <Row key={`${group} ${name}`} document={document} group={group} name={name} />
        ))}
      </Table>
    </Section>
  );
}

function Row({ document, group, name }: { document: Analysis; group: Group; name: string }) {
  const value = document[group][name];
  const score = scoreOf(document, group, name);
  const write = group === "volumes_mm3" ? volume : thickness;
  if (value == null) {
    return (
      <tr>
        <th scope="row">{nameOf(name)}</th>
        <td colSpan={6}>
          <Why code={document.reasons[group][name]} />
        </td>
      </tr>
    );
  }
  return (
    <tr>
      <th scope="row">{nameOf(name)}</th>
      <td className="number">{write(value, document.errors_sd[group][name])}</td>
      {score?.z == null ? (
        <td colSpan={5}>
          <Why code={document.reasons.atrophy[name] ?? "not_compared"} />
        </td>
      ) : (
        <>
          <td className="number">{score.expected === null ? "" : write(score.expected)}</td>
          <td className="number">{signed(score.z)}</td>
          <td>
            <NormBar z={score.z} sd={score.z_sd} />
          </td>
          <td>{score.centile === null ? "" : centile(score.centile, score.centile_band)}</td>
          <td>{messages.severity(score.severity, score.direction)}</td>
        </>
      )}
    </tr>
  );
}

function scoreOf({ atrophy }: Analysis, group: Group, name: string) {
  if (group === "volumes_mm3") {
    const score = atrophy.regions[name];
    return score && { ...score, expected: score.expected_mm3 };
  }
  const score = atrophy.thickness[name];
  return score && { ...score, expected: score.expected_mm };
}

export function Derived({ document }: { document: Analysis }) {
  const words = messages.derived;
  const { asymmetry_percent: asymmetry, ratios } = document.atrophy;
  if (Object.keys(asymmetry).length + Object.keys(ratios).length === 0) return null;
  return (
    <Section title={words.title}>
      <Table caption={words.caption} heads={words.heads}>
        {Object.entries(asymmetry).map(([name, value]) => (
          <tr key={name}>
            <th scope="row">{words.asymmetry(nameOf(name))}</th>
            <td>
              {value === null ? (
                <Why code={document.reasons.asymmetry_percent[name]} />
              ) : (
                signed(value, " %")
              )}
            </td>
          </tr>
        ))}
        {Object.entries(ratios).map(([name, value]) => (
          <tr key={name}>
            <th scope="row">{nameOf(name)}</th>
            <td>
              {value === null ? <Why code={document.reasons.ratios[name]} /> : value.toFixed(4)}
            </td>
          </tr>
        ))}
      </Table>
    </Section>
  );
}
