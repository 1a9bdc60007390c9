// SPDX-License-Identifier: Apache-2.0
// The steps of a check, each with its mark and its reason, and the picture of the path of hashes.
import { messages } from "../messages/en";
import { hex } from "./bytes";
import type { Finding, State } from "./check";
import "./proof.css";

const MARKS: Record<State, string> = { passed: "✓", failed: "✗", noted: "•", unable: "?" };

export function ProofSteps({ findings }: { findings: readonly Finding[] }) {
  const words = messages.proof;
  const verdict = verdictOf(findings);
  return (
    <div className="proof">
      <p className={`verdict ${verdict}`} role="status">
        <span aria-hidden="true">{MARKS[verdict]}</span> {words.verdicts[verdict]}
      </p>
      <ol className="steps">
        {findings.map((finding, at) => (
          <li key={at} className={finding.state}>
            <Told finding={finding} />
          </li>
        ))}
      </ol>
    </div>
  );
}

/** One word for all steps: a single failure is one of the whole. */
export function verdictOf(findings: readonly Finding[]): State {
  const has = (state: State) => findings.some((finding) => finding.state === state);
  if (has("failed")) return "failed";
  if (has("unable")) return "unable";
  if (findings.some(({ step, state }) => step === "values" && state === "noted")) return "noted";
  const proves = ({ step }: Finding) => step === "path" || step === "growth";
  return findings.some((each) => proves(each) && each.state === "passed") ? "passed" : "noted";
}

function Told({ finding }: { finding: Finding }) {
  const words = messages.proof;
  const { step, state, facts, code, path } = finding;
  return (
    <>
      <p>
        <span className="mark" aria-hidden="true">
          {MARKS[state]}
        </span>
        <strong>{words.steps[step]}</strong> <span className="unseen">{words.states[state]}</span>
      </p>
      <p className="why">{words.told(finding)}</p>
      {state === "failed" && (
        <p>
          {words.reason} <code>{facts["path"] ?? code}</code>
        </p>
      )}
      {path && (
        <details>
          <summary>{words.picture}</summary>
          <PathPicture {...path} />
        </details>
      )}
    </>
  );
}

const WIDTH = 560;
const ROW = 58;
const BOX = { width: 148, height: 30 };

/** The leaf at the foot, at every level the hash it is joined with, and the root at the top. */
export function PathPicture({ leaf, steps, index, size }: NonNullable<Finding["path"]>) {
  const words = messages.proof;
  const height = (steps.length + 1) * ROW;
  const level = (at: number) => height - ROW * at - BOX.height - 8;
  return (
    <svg
      className="path"
      viewBox={`0 0 ${WIDTH} ${height}`}
      role="img"
      aria-label={words.pictureOf(index, size, steps.length)}
    >
      {steps.map(({ sibling, side }, at) => {
        const x = WIDTH / 2 + (side === "left" ? -185 : 185);
        return (
          <g key={at}>
            <path
              className="edge"
              d={`M${WIDTH / 2} ${level(at)}V${level(at + 1) + BOX.height}M${x} ${level(at)}C${x} ${level(at) - 20} ${WIDTH / 2} ${level(at)} ${WIDTH / 2} ${level(at + 1) + BOX.height}`}
            />
            <Hash x={x} y={level(at)} hash={hex(sibling)} kind="given" />
          </g>
        );
      })}
      {[leaf, ...steps.map(({ result }) => result)].map((hash, at, all) => (
        <Hash
          key={at}
          x={WIDTH / 2}
          y={level(at)}
          hash={hex(hash)}
          kind={at === all.length - 1 ? "root" : "computed"}
        />
      ))}
    </svg>
  );
}

function Hash({ x, y, hash, kind }: { x: number; y: number; hash: string; kind: string }) {
  return (
    <g className={kind}>
      <rect x={x - BOX.width / 2} y={y} {...BOX} rx="6" />
      <text x={x} y={y + 20} textAnchor="middle">
        {hash.slice(0, 12)}…
      </text>
    </g>
  );
}
