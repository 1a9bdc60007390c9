// SPDX-License-Identifier: Apache-2.0
// One entry: its bytes and its proof are fetched, and checked here step by step.
import { useEffect, useState } from "react";
import { ask, type Problem } from "../http";
import { Refusal } from "../loading";
import { messages } from "../messages/en";
import { Dialog } from "../parts/dialog";
import type { Bytes } from "../tlog/bytes";
import { checkEntry, checkKey, checkSignature, type Finding } from "../tlog/check";
import { parseProof } from "../tlog/checkpoint";
import { type Entry, tampered } from "../tlog/entry";
import { parseKey } from "../tlog/note";
import { asProblem, keyText } from "../tlog/proof-check";
import { ProofSteps } from "../tlog/proof-steps";
import { recall } from "../tlog/seen";
import type { EntryRow } from "./entries";

/** What is checked: the entry's bytes, its proof, and the log's key, as they came. */
interface Evidence {
  leaf: Bytes;
  proof: string;
  key: string;
}

export function EntryCheck({ entry, close }: { entry: EntryRow; close: () => void }) {
  const words = messages.log;
  const [evidence, setEvidence] = useState<Evidence>();
  const [problem, setProblem] = useState<Problem>();
  const [alteredAt, setAlteredAt] = useState<number>();
  const [checked, setChecked] = useState<{ findings: Finding[]; entry: Entry | null }>();
  const { sequence } = entry;
  useEffect(() => {
    fetched(sequence)
      .then(setEvidence)
      .catch((error) => setProblem(asProblem(error)));
  }, [sequence]);
  useEffect(() => {
    if (!evidence) return;
    const leaf = alteredAt === undefined ? evidence.leaf : tampered(evidence.leaf, alteredAt);
    check({ ...evidence, leaf })
      .then(setChecked)
      .catch((error) => setProblem(asProblem(error)));
  }, [evidence, alteredAt]);
  const alter = () =>
    setAlteredAt(alteredAt === undefined ? middle(evidence?.leaf.length ?? 0) : undefined);
  return (
    <Dialog title={words.entry(sequence)} close={close}>
      <div className="entry-check">
        {problem && <Refusal problem={problem} />}
        {!checked && !problem && <p role="status">{messages.loading.awaited}</p>}
        {checked && <ProofSteps findings={checked.findings} />}
        {alteredAt !== undefined && <p className="why">{words.altered(alteredAt)}</p>}
        <p className="choices">
          <button type="button" className="plain" onClick={alter} disabled={!evidence}>
            {alteredAt === undefined ? words.alter : words.unaltered}
          </button>
          <button type="button" className="plain" onClick={close}>
            {words.close}
          </button>
        </p>
        {checked?.entry && <Header entry={checked.entry} />}
      </div>
    </Dialog>
  );
}

function Header({ entry }: { entry: Entry }) {
  return (
    <>
      <h3>{messages.log.proven}</h3>
      <dl>
        {Object.entries(entry.header).map(([name, value]) => (
          <div key={name}>
            <dt>
              <code>{name}</code>
            </dt>
            <dd>
              <code>{String(value)}</code>
            </dd>
          </div>
        ))}
      </dl>
    </>
  );
}

async function fetched(sequence: number): Promise<Evidence> {
  const path = `/api/v1/audit/entries/${sequence}`;
  const [leaf, proof, key] = await Promise.all([
    ask(path).then((response) => response.arrayBuffer()),
    ask(`${path}/proof`).then((response) => response.text()),
    keyText(),
  ]);
  return { leaf: new Uint8Array(leaf), proof, key };
}

async function check({ leaf, proof, key }: Evidence) {
  const parsed = parseProof(proof);
  const known = await checkKey(key, recall(localStorage));
  const [signed, checkpoint] = await checkSignature(parsed.note, await parseKey(key));
  if (!checkpoint) return { findings: [known, signed], entry: null };
  const [found, entry] = await checkEntry(leaf, parsed, checkpoint);
  return { findings: [known, signed, ...found], entry };
}

/** A byte in the header, where an alteration would change who did what. */
function middle(length: number): number {
  return Math.min(60, Math.floor(length / 2));
}
