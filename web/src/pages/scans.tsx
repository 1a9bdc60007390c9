// SPDX-License-Identifier: Apache-2.0
// The scans that an account may see, the newest first.
import { useState } from "react";
import { Link } from "wouter";
import type { Page, ScanSummary } from "../documents";
import { moment, volume } from "../format";
import { Title } from "../frame";
import { Awaited, useDocument } from "../loading";
import { messages } from "../messages/en";

export function ScansPage() {
  const words = messages.scans;
  const [text, setText] = useState("");
  const page = useDocument<Page<ScanSummary>>("/api/v1/imaging");
  return (
    <>
      <Title>{words.title}</Title>
      <label className="field">
        {words.filter}
        <input type="search" value={text} onChange={(event) => setText(event.target.value)} />
      </label>
      <Awaited of={page}>
        {({ items }) => <ScanTable scans={items.filter((scan) => matches(scan, text))} />}
      </Awaited>
    </>
  );
}

function matches(scan: ScanSummary, text: string): boolean {
  return [scan.imaging_id, scan.user_id ?? ""].some((part) => part.includes(text.trim()));
}

function ScanTable({ scans }: { scans: ScanSummary[] }) {
  const words = messages.scans;
  if (scans.length === 0) return <p>{words.empty}</p>;
  return (
    <div className="scroll">
      <table>
        <thead>
          <tr>
            {words.heads.map((head) => (
              <th key={head} scope="col">
                {head}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {scans.map((scan) => (
            <ScanRow key={scan.imaging_id} scan={scan} />
          ))}
        </tbody>
      </table>
    </div>
  );
}

function ScanRow({ scan }: { scan: ScanSummary }) {
  const words = messages.scans;
  const shown = (mm3: number | null) => (mm3 === null ? words.absent : volume(mm3));
  return (
    <tr>
      <th scope="row">
        <Link href={`/imaging/${scan.imaging_id}`}>{scan.imaging_id}</Link>
      </th>
      <td>{scan.user_id ?? words.unlinked}</td>
      <td>{moment(scan.created_at)}</td>
      <td>{messages.statuses[scan.status]}</td>
      <td className="number">{shown(scan.hippocampal_volume_total)}</td>
      <td className="number">{shown(scan.total_brain_volume)}</td>
      <td>{scan.atrophy_severity ? messages.distances[scan.atrophy_severity] : words.absent}</td>
    </tr>
  );
}
