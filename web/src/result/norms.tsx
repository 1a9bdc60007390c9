// SPDX-License-Identifier: Apache-2.0
// The person on the age curve, for every measurement that has one.
import { CENTILES, type Dot, NormChart } from "../charts/norm-chart";
import type { NormCurve } from "../contracts/events";
import type { Analysis } from "../documents";
import { centile, signed, thickness, volume } from "../format";
import { messages } from "../messages/en";
import { Fold, nameOf, Section, Table } from "./section";

const FIRST = ["hippocampus_total", "lateral_ventricles", "total_brain", "cortical_grey_matter"];
const MM3_PER_ML = 1000;

/** What one chart shows; volumes in mL. */
interface Compared {
  region: string;
  unit: "mL" | "mm";
  curve: NormCurve;
  dot: Dot;
  earlier: Dot[];
  measured: string;
  z: number;
  zSd: number | null;
  centile: string;
  word: string;
  ratio: number | null;
}

export function Norms({ document }: { document: Analysis }) {
  const words = messages.norms;
  const compared = comparedOf(document);
  if (compared.length === 0) return null;
  const first = compared.filter(({ region }) => FIRST.includes(region));
  const others = compared.filter(({ region }) => !FIRST.includes(region));
  return (
    <Section id="norms" title={words.title}>
      <p>{words.caption}</p>
      <Legend earlier={compared.some(({ earlier }) => earlier.length > 0)} />
      <Cards of={first.length > 0 ? first : others} />
      {first.length > 0 && others.length > 0 && (
        <Fold title={words.others(others.length)}>
          <Cards of={others} />
        </Fold>
      )}
    </Section>
  );
}

function Cards({ of }: { of: Compared[] }) {
  return (
    <div className="charts">
      {of.map((each) => (
        <Card key={each.region} of={each} />
      ))}
    </div>
  );
}

function Card({ of }: { of: Compared }) {
  const words = messages.norms;
  const name = nameOf(of.region);
  const said = words.said(name, of.measured, of.dot.age, of.centile, of.word);
  return (
    <figure className="chart-card">
      <h3>{name}</h3>
      <p className="why">
        {of.measured} · {words.z(signed(of.z), of.zSd === null ? null : of.zSd.toFixed(1))} ·{" "}
        {words.centile(of.centile)} · {of.word}
      </p>
      <NormChart name={name} said={said} {...of} />
      {of.ratio !== null && of.ratio !== 1 && (
        <p className="why">{words.calibrated(signed(100 * (of.ratio - 1), " %"))}</p>
      )}
      <details>
        <summary>{words.table}</summary>
        <Table caption={words.tableOf(name, of.unit)} heads={words.heads}>
          {of.curve.age_years.map((age, place) => (
            <tr key={age}>
              <th scope="row">{age}</th>
              {CENTILES.map((centile) => (
                <td key={centile}>{of.curve[centile][place]?.toFixed(2)}</td>
              ))}
            </tr>
          ))}
        </Table>
      </details>
    </figure>
  );
}

function Legend({ earlier }: { earlier: boolean }) {
  const words = messages.norms.legend;
  return (
    <ul className="legend">
      <li>
        <Key>
          <rect className="band-inner" width="22" height="14" />
        </Key>
        {words.inner}
      </li>
      <li>
        <Key>
          <rect className="band-outer" width="22" height="14" />
        </Key>
        {words.outer}
      </li>
      <li>
        <Key>
          <path className="median" d="M0 7h22" />
        </Key>
        {words.median}
      </li>
      <li>
        <Key>
          <g className="person">
            <line x1="11" x2="11" y1="0" y2="14" />
            <circle cx="11" cy="7" r="4.5" />
          </g>
        </Key>
        {words.dot}
      </li>
      {earlier && (
        <li>
          <Key>
            <g className="person earlier">
              <circle cx="11" cy="7" r="3.5" />
            </g>
          </Key>
          {words.earlier}
        </li>
      )}
    </ul>
  );
}

export function Key({ children }: { children: React.ReactNode }) {
  return (
    <svg width="22" height="14" viewBox="0 0 22 14" aria-hidden="true">
      {children}
    </svg>
  );
}

/** Everything that can be drawn: what has a curve, an age, a value and a z. */
export function comparedOf({ atrophy, person }: Analysis): Compared[] {
  const age = person?.age_years ?? null;
  if (age === null) return [];
  const volumes = Object.entries(atrophy.regions).flatMap(([key, score]) => {
    const { volume_mm3: value, error_sd_mm3: sd, curve, z } = score;
    if (value === null || !curve || z === null) return [];
    const points = atrophy.change[key]?.points ?? [];
    const earlier = points
      .filter(({ years }) => years < 0)
      .map((point) => ({
        age: age + point.years,
        value: point.volume_mm3 / MM3_PER_ML,
        sd: point.error_sd_mm3 === null ? null : point.error_sd_mm3 / MM3_PER_ML,
      }));
    const dot = { age, value: value / MM3_PER_ML, sd: sd === null ? null : sd / MM3_PER_ML };
    const drawn = { unit: "mL" as const, curve: scaled(curve), dot, earlier };
    return [{ ...facts(key, score, z), ...drawn, measured: volume(value, sd) }];
  });
  const thicknesses = Object.entries(atrophy.thickness).flatMap(([key, score]) => {
    const { thickness_mm: value, error_sd_mm: sd, curve, z } = score;
    if (value === null || !curve || z === null) return [];
    const drawn = { unit: "mm" as const, curve, dot: { age, value, sd }, earlier: [] };
    return [{ ...facts(key, score, z), ...drawn, measured: thickness(value, sd) }];
  });
  return [...volumes, ...thicknesses];
}

function facts(
  region: string,
  score: Analysis["atrophy"]["regions"][string] | Analysis["atrophy"]["thickness"][string],
  z: number,
) {
  return {
    region,
    z,
    zSd: score.z_sd,
    centile: score.centile === null ? "" : centile(score.centile, score.centile_band),
    word: messages.severity(score.severity, score.direction),
    ratio: score.calibration?.ratio ?? null,
  };
}

function scaled(curve: NormCurve): NormCurve {
  const ml = (values: number[]) => values.map((value) => value / MM3_PER_ML);
  const { age_years, p5, p25, p50, p75, p95 } = curve;
  return { age_years, p5: ml(p5), p25: ml(p25), p50: ml(p50), p75: ml(p75), p95: ml(p95) };
}
