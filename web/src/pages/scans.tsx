// SPDX-License-Identifier: Apache-2.0
// The scans that an account may see, the newest first; and where new ones are dropped.
import { useState } from "react";
import { Link, useLocation, useSearch } from "wouter";
import type { ScanSummary } from "../documents";
import { moment, volume } from "../format";
import { Title } from "../frame";
import { Refusal } from "../loading";
import { messages } from "../messages/en";
import { comparable, comparePath, filterOf, queryOf } from "../scans/filter";
import { FilterBar } from "../scans/filter-bar";
import { useScans } from "../scans/pages";
import { can, useSession } from "../session";
import { DropZone } from "../upload/drop-zone";
import "../scans/scans.css";

export function ScansPage() {
  const words = messages.scans;
  const session = useSession();
  const [path, go] = useLocation();
  const query = queryOf(filterOf(useSearch()));
  const { listed, problem, more, refresh } = useScans(query);
  const sends = can(session, "patient", "clinician");
  const people = can(session, "caregiver", "clinician");
  const some = listed !== undefined && listed.scans.length > 0;
  return (
    <>
      <Title>{words.title}</Title>
      {sends && <DropZone small taken={() => go("/upload")} />}
      {(some || query) && <FilterBar people={people} />}
      {problem && <Refusal problem={problem} again={refresh} />}
      {!listed && !problem && <p role="status">{messages.loading.awaited}</p>}
      {some && <ScanList scans={listed.scans} people={people} older={listed.next !== null} />}
      {listed && !some && !query && (
        <p className="lead">{sends ? words.emptySend : words.emptyShared}</p>
      )}
      {listed && !some && query && (
        <p className="lead" role="status">
          {words.noneMatches} <Link href={path}>{words.showAll}</Link>
        </p>
      )}
      {listed?.next && (
        <p>
          <button type="button" className="plain" onClick={more}>
            {words.more}
          </button>
        </p>
      )}
    </>
  );
}

function ScanList({
  scans,
  people,
  older,
}: {
  scans: ScanSummary[];
  people: boolean;
  older: boolean;
}) {
  const words = messages.scans;
  const [picked, setPicked] = useState<ScanSummary[]>([]);
  const isPicked = ({ imaging_id }: ScanSummary) =>
    picked.some((each) => each.imaging_id === imaging_id);
  // A third one takes the place of the first.
  const pick = (scan: ScanSummary) =>
    setPicked(
      isPicked(scan)
        ? picked.filter(({ imaging_id }) => imaging_id !== scan.imaging_id)
        : [...picked, scan].slice(-2),
    );
  return (
    <>
      <p role="status" className="why">
        {words.shown(scans.length, older)}
      </p>
      <ScanTable scans={scans} people={people} isPicked={isPicked} pick={pick} />
      <Compare one={picked[0]} other={picked[1]} />
    </>
  );
}

function Compare({ one, other }: { one: ScanSummary | undefined; other: ScanSummary | undefined }) {
  const words = messages.scans;
  if (!one) return null;
  return (
    <p className="compare" role="status">
      {one && other && comparable(one, other) ? (
        <Link href={comparePath(one, other)} className="button">
          {words.compare}
        </Link>
      ) : (
        <span>{other ? words.notComparable : words.pickAnother}</span>
      )}
    </p>
  );
}

function ScanTable({
  scans,
  people,
  isPicked,
  pick,
}: {
  scans: ScanSummary[];
  people: boolean;
  isPicked: (scan: ScanSummary) => boolean;
  pick: (scan: ScanSummary) => void;
}) {
  const { heads, choose } = messages.scans;
  return (
    <table className="scans">
      <thead>
        <tr>
          <th scope="col">{choose}</th>
          <th scope="col">{heads.uploaded}</th>
          {people && <th scope="col">{heads.account}</th>}
          <th scope="col">{heads.status}</th>
          <th scope="col" className="number">
            {heads.hippocampi}
          </th>
          <th scope="col" className="number">
            {heads.brain}
          </th>
          <th scope="col">{heads.severity}</th>
        </tr>
      </thead>
      <tbody>
        {scans.map((scan) => (
          <ScanRow
            key={scan.imaging_id}
            scan={scan}
            people={people}
            picked={isPicked(scan)}
            pick={pick}
          />
        ))}
      </tbody>
    </table>
  );
}

function ScanRow({
  scan,
  people,
  picked,
  pick,
}: {
  scan: ScanSummary;
  people: boolean;
  picked: boolean;
  pick: (scan: ScanSummary) => void;
}) {
  const words = messages.scans;
  const { heads } = words;
  const shown = (mm3: number | null) => (mm3 === null ? words.absent : volume(mm3));
  const when = moment(scan.created_at);
  return (
    <tr className={picked ? "picked" : ""}>
      <td className="pick">
        {scan.status === "completed" && (
          <input
            type="checkbox"
            aria-label={words.chooseOne(when)}
            checked={picked}
            onChange={() => pick(scan)}
          />
        )}
      </td>
      <th scope="row">
        <Link href={`/imaging/${scan.imaging_id}`}>{when}</Link>
        <code className="id" title={scan.imaging_id}>
          {scan.imaging_id.slice(0, 8)}
        </code>
      </th>
      {people && <td data-head={heads.account}>{scan.user_id ?? words.unlinked}</td>}
      <td data-head={heads.status}>
        <span className={`state ${scan.status}`}>{messages.statuses[scan.status]}</span>
      </td>
      <td className="number" data-head={heads.hippocampi}>
        {shown(scan.hippocampal_volume_total)}
      </td>
      <td className="number" data-head={heads.brain}>
        {shown(scan.total_brain_volume)}
      </td>
      <td data-head={heads.severity}>
        {scan.atrophy_severity ? messages.distances[scan.atrophy_severity] : words.absent}
      </td>
    </tr>
  );
}
