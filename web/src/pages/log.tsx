// SPDX-License-Identifier: Apache-2.0
// The compliance officer's page: the log, and the check of it, in this browser.
import { useState } from "react";
import { Title } from "../frame";
import { Entries, type EntryRow } from "../log/entries";
import { EntryCheck } from "../log/entry-check";
import { Standing } from "../log/standing";
import { messages } from "../messages/en";
import "../log/log.css";

export default function LogPage() {
  const words = messages.log;
  const [chosen, choose] = useState<EntryRow>();
  return (
    <>
      <Title>{words.title}</Title>
      <p>{words.intro}</p>
      <Standing />
      <Entries chosen={chosen?.sequence} choose={choose} />
      {chosen && (
        <EntryCheck key={chosen.sequence} entry={chosen} close={() => choose(undefined)} />
      )}
    </>
  );
}
