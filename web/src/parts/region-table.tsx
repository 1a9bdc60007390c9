// SPDX-License-Identifier: Apache-2.0
// Every volume with its error, what is expected, z, centile and the word for it.
import type { Analysis } from "../documents";
import { centile, plain, signed, volume } from "../format";
import { messages } from "../messages/en";

export function RegionTable({ document }: { document: Analysis }) {
  return (
    <div className="scroll">
      <table>
        <tbody>
          {Object.keys(document.volumes_mm3).map((name) => (
            <RegionRow key={name} name={name} document={document} />
          ))}
        </tbody>
      </table>
    </div>
  );
}

function RegionRow({ name, document }: { name: string; document: Analysis }) {
  const value = document.volumes_mm3[name];
  const score = document.atrophy.regions[name];
  const error = document.errors_sd.volumes_mm3[name];
  return (
    <tr>
      <th scope="row">{messages.names[name] ?? plain(name)}</th>
      <td className="number">
        {value == null ? plain(document.reasons.volumes_mm3[name] ?? "") : volume(value, error)}
      </td>
      <td className="number">{score?.expected_mm3 == null ? "" : volume(score.expected_mm3)}</td>
      <td className="number">{score?.z == null ? "" : signed(score.z)}</td>
      <td>{score?.centile == null ? "" : centile(score.centile, score.centile_band)}</td>
      <td>{score ? messages.severity(score.severity, score.direction) : ""}</td>
    </tr>
  );
}
