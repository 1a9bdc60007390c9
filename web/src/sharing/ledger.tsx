// SPDX-License-Identifier: Apache-2.0
// Who has looked at one's data, when, and what for: from the log that nobody can alter unnoticed.
import { useState } from "react";
import { Link } from "wouter";
import { moment } from "../format";
import { Awaited, useDocument } from "../loading";
import { messages } from "../messages/en";
import { Pager } from "../parts/pager";
import { Section, Table } from "../result/section";

export interface Look {
  sequence: number;
  at: string | null;
  what: string;
  by: string | null;
  by_yourself: boolean;
  action: string;
  scan_id: string | null;
  purpose: string | null;
  basis: string | null;
  code: string | null;
  grantee: string | null;
}

interface Page {
  entries: Look[];
  patient_numbers: number;
  next_cursor: string | null;
}

const LIMIT = 200;

export function Ledger() {
  const words = messages.sharing.ledger;
  const [cursor, setCursor] = useState<string | null>(null);
  const [own, setOwn] = useState(false);
  const page = useDocument<Page>("/api/v1/audit/ledger", {
    limit: LIMIT,
    cursor,
  });
  return (
    <Section title={words.title}>
      <label className="field">
        <input type="checkbox" checked={own} onChange={(event) => setOwn(event.target.checked)} />
        {words.own}
      </label>
      <Awaited of={page}>
        {({ entries, next_cursor }) => (
          <>
            <Looks looks={entries.filter((look) => own || !look.by_yourself)} />
            <Pager words={words} cursor={cursor} next={next_cursor} go={setCursor} />
          </>
        )}
      </Awaited>
    </Section>
  );
}

function Looks({ looks }: { looks: readonly Look[] }) {
  const words = messages.sharing.ledger;
  if (looks.length === 0) return <p>{words.none}</p>;
  return (
    <Table caption={words.caption} heads={words.heads}>
      {looks.map((look) => (
        <tr key={look.sequence}>
          <th scope="row" className="when">
            {look.at ? moment(look.at) : words.noTime}
          </th>
          <td>{look.by_yourself ? words.you : (look.by ?? words.anonymous)}</td>
          <td>
            {words.did(look)}{" "}
            {look.scan_id && <Link href={`/imaging/${look.scan_id}`}>{words.scan}</Link>}
          </td>
          <td>{words.why(look)}</td>
        </tr>
      ))}
    </Table>
  );
}
