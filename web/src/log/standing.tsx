// SPDX-License-Identifier: Apache-2.0
// Where the log stands: its newest checkpoint, checked against its key and against the last visit.
import { type FormEvent, useEffect, useState } from "react";
import { moment } from "../format";
import { ask, get, type Problem } from "../http";
import { Refusal } from "../loading";
import { messages } from "../messages/en";
import { Section } from "../result/section";
import { fromBase64, hex } from "../tlog/bytes";
import {
  checkGrowth,
  checkKey,
  checkSignature,
  checkWitnesses,
  type Finding,
  type Growth,
  type Seen,
} from "../tlog/check";
import { type Checkpoint, parseCheckpoint } from "../tlog/checkpoint";
import { COSIGNATURE, parseKey, parseNote, timeOf } from "../tlog/note";
import { asProblem, keyText } from "../tlog/proof-check";
import { ProofSteps } from "../tlog/proof-steps";
import { forget, keepWitnesses, recall, remember, witnessesIn } from "../tlog/seen";

interface State {
  note: string;
  findings: Finding[];
}

export function Standing() {
  const words = messages.log;
  const [state, setState] = useState<State>();
  const [problem, setProblem] = useState<Problem>();
  const [times, setTimes] = useState(0);
  // biome-ignore lint/correctness/useExhaustiveDependencies: `times` checks again
  useEffect(() => {
    let left = false;
    standing()
      .then((found) => !left && setState(found))
      .catch((error) => !left && setProblem(asProblem(error)));
    return () => {
      left = true;
    };
  }, [times]);
  const again = () => {
    setProblem(undefined);
    setTimes(times + 1);
  };
  return (
    <Section title={words.checkpoint}>
      {problem && <Refusal problem={problem} again={again} />}
      {!state && !problem && <p role="status">{messages.loading.awaited}</p>}
      {state && (
        <div className="standing">
          <Told {...state} />
          <div>
            <ProofSteps findings={state.findings} />
            <button type="button" className="plain" onClick={again}>
              {words.again}
            </button>
            <Anchors again={again} />
          </div>
        </div>
      )}
    </Section>
  );
}

function Told({ note, findings }: State) {
  const words = messages.log;
  const { text, signatures } = parseNote(note);
  const { origin, size, root } = parseCheckpoint(text);
  const key = findings.find(({ step }) => step === "key")?.facts["key"];
  return (
    <dl className="checkpoint">
      <dt>{words.origin}</dt>
      <dd>{origin}</dd>
      <dt>{words.size}</dt>
      <dd className="size">{size.toLocaleString("en-US")}</dd>
      <dt>{words.root}</dt>
      <dd>
        <code>{hex(root)}</code>
      </dd>
      <dt>{words.signedBy}</dt>
      <dd>
        {signatures.map((signature) => {
          const at = timeOf(signature);
          const said = at === null ? null : moment(new Date(Number(at) * 1000).toISOString());
          return (
            <div key={`${signature.name} ${hex(signature.id)}`}>
              {said === null ? signature.name : words.witnessAt(signature.name, said)}
            </div>
          );
        })}
      </dd>
      {key && (
        <>
          <dt>{words.key}</dt>
          <dd>
            <code>{key}</code>
          </dd>
        </>
      )}
    </dl>
  );
}

/** What this browser trusts from the start: witnesses' keys, and the last visit. */
function Anchors({ again }: { again: () => void }) {
  const words = messages.log;
  const [problem, setProblem] = useState<Problem>();
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const text = String(new FormData(event.currentTarget).get("witnesses") ?? "");
    const keys = text.split("\n").flatMap((line) => line.trim() || []);
    Promise.all(keys.map((key) => parseKey(key, COSIGNATURE)))
      .then(() => {
        keepWitnesses(localStorage, keys);
        setProblem(undefined);
        again();
      })
      .catch((error) => setProblem(asProblem(error)));
  };
  const start = () => {
    forget(localStorage);
    again();
  };
  return (
    <details className="anchors">
      <summary>{words.trust}</summary>
      <form onSubmit={submit}>
        <label>
          {words.witnesses}
          <textarea
            name="witnesses"
            rows={3}
            spellCheck={false}
            defaultValue={witnessesIn(localStorage).join("\n")}
          />
        </label>
        <button type="submit">{words.keepWitnesses}</button>
        {problem && <Refusal problem={problem} />}
      </form>
      <p className="why">{words.forgetMeans}</p>
      <button type="button" className="plain" onClick={start}>
        {words.forget}
      </button>
    </details>
  );
}

/** Ask for the newest checkpoint and check all that can be said of it. */
async function standing(): Promise<State> {
  const [text, note] = await Promise.all([
    keyText(),
    ask("/api/v1/audit/checkpoint").then((response) => response.text()),
  ]);
  const seen = recall(localStorage);
  const key = await parseKey(text);
  const known = await checkKey(text, seen);
  const [signed, checkpoint] = await checkSignature(note, key);
  const witnesses = await Promise.all(
    witnessesIn(localStorage).map((line) => parseKey(line, COSIGNATURE)),
  );
  const findings = [known, signed, await checkWitnesses(note, witnesses)];
  if (checkpoint && known.state !== "failed") {
    findings.push(await checkGrowth(checkpoint, checkpointOf(seen), growth));
    keep(findings, { key: text, note }, checkpoint, seen);
  }
  return { note, findings };
}

/** Remember a checkpoint that passed, unless a larger one is remembered. */
function keep(findings: Finding[], now: Seen, checkpoint: Checkpoint, seen: Seen | null): void {
  const before = checkpointOf(seen);
  if (findings.some(({ state }) => state === "failed" || state === "unable")) return;
  if (!before || before.size <= checkpoint.size) remember(localStorage, now);
}

function checkpointOf(seen: Seen | null): Checkpoint | null {
  return seen && parseCheckpoint(parseNote(seen.note).text);
}

const growth: Growth = async (from, to) => {
  const { hashes } = await get<{ hashes: string[] }>("/api/v1/audit/consistency", { from, to });
  return hashes.map((hash) => fromBase64(hash, "malformed_proof"));
};
