// SPDX-License-Identifier: Apache-2.0
// Every volume and thickness with its error, what is expected, z, centile and the word for it.
import { NormBar } from "../charts/norm-bar";
import type { Analysis } from "../documents";
import { centile, signed, thickness, volume } from "../format";
import { messages } from "../messages/en";
import { Fold, nameOf, Section, Table, Why } from "./section";

type Group = "volumes_mm3" | "thickness_mm";
interface Item {
  group: Group;
  name: string;
}

export function Volumes({ document }: { document: Analysis }) {
  const words = messages.volumes;
  const items = (["volumes_mm3", "thickness_mm"] as const).flatMap((group) =>
    Object.keys(document[group]).map((name) => ({ group, name })),
  );
  const measured = items.filter(({ group, name }) => document[group][name] != null);
  const compared = measured.filter((item) => scoreOf(document, item)?.z != null);
  const others = measured.filter((item) => !compared.includes(item));
  const absent = items.filter((item) => !measured.includes(item));
  return (
    <Section id="volumes" title={words.title}>
      {compared.length > 0 && <Compared document={document} items={compared} />}
      {others.length > 0 && (
        <Fold title={words.others(others.length)}>
          <Plain document={document} items={others} />
        </Fold>
      )}
      {absent.length > 0 && (
        <Fold title={words.absent(absent.length)}>
          <Table caption={words.absentCaption} heads={words.absentHeads}>
            {absent.map(({ group, name }) => (
              <tr key={name}>
                <th scope="row">{nameOf(name)}</th>
                <td>
                  <Why code={document.reasons[group][name]} />
                </td>
              </tr>
            ))}
          </Table>
        </Fold>
      )}
    </Section>
  );
}

function Compared({ document, items }: { document: Analysis; items: Item[] }) {
  const { caption, heads } = messages.volumes;
  return (
    <Table caption={caption} heads={heads} numeric={heads.slice(1, 4)}>
      {items.map((item) => (
        <Row key={`${item.group} ${item.name}`} document={document} item={item} />
      ))}
    </Table>
  );
}

function Row({ document, item }: { document: Analysis; item: Item }) {
  const score = scoreOf(document, item);
  if (score?.z == null) return null;
  return (
    <tr>
      <th scope="row">{nameOf(item.name)}</th>
      <td className="number">{measuredOf(document, item)}</td>
      <td className="number">{score.median == null ? "" : write(item, score.median)}</td>
      <td className="number">
        {signed(score.z)}
        {score.z_sd !== null && ` ± ${score.z_sd.toFixed(1)}`}
      </td>
      <td>
        <NormBar z={score.z} sd={score.z_sd} />
      </td>
      <td>{score.centile === null ? "" : centile(score.centile, score.centile_band)}</td>
      <td>{messages.severity(score.severity, score.direction)}</td>
    </tr>
  );
}

/** What was measured and has no norm to stand beside. */
function Plain({ document, items }: { document: Analysis; items: Item[] }) {
  const { plainCaption, plainHeads } = messages.volumes;
  return (
    <Table caption={plainCaption} heads={plainHeads} numeric={plainHeads.slice(1, 2)}>
      {items.map((item) => (
        <tr key={`${item.group} ${item.name}`}>
          <th scope="row">{nameOf(item.name)}</th>
          <td className="number">{measuredOf(document, item)}</td>
          <td>
            <Why code={document.reasons.atrophy[item.name] ?? "not_compared"} />
          </td>
        </tr>
      ))}
    </Table>
  );
}

function measuredOf(document: Analysis, { group, name }: Item): string {
  return write({ group, name }, document[group][name] ?? 0, document.errors_sd[group][name]);
}

function write({ group }: Item, value: number, errorSd?: number | null): string {
  return group === "volumes_mm3" ? volume(value, errorSd) : thickness(value, errorSd);
}

function scoreOf({ atrophy }: Analysis, { group, name }: Item) {
  if (group === "volumes_mm3") {
    const score = atrophy.regions[name];
    return score && { ...score, median: score.median_mm3 };
  }
  const score = atrophy.thickness[name];
  return score && { ...score, median: score.median_mm };
}

export function Derived({ document }: { document: Analysis }) {
  const words = messages.derived;
  const { asymmetry_percent: asymmetry, ratios } = document.atrophy;
  if (Object.keys(asymmetry).length + Object.keys(ratios).length === 0) return null;
  return (
    <Fold title={words.title}>
      <Table caption={words.caption} heads={words.heads} numeric={words.heads.slice(1)}>
        {Object.entries(asymmetry).map(([name, value]) => (
          <tr key={name}>
            <th scope="row">{words.asymmetry(nameOf(name))}</th>
            <td className="number">
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
            <td className="number">
              {value === null ? <Why code={document.reasons.ratios[name]} /> : value.toFixed(4)}
            </td>
          </tr>
        ))}
      </Table>
    </Fold>
  );
}
