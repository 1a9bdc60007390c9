// SPDX-License-Identifier: Apache-2.0
// A result's proof, asked for and checked in this browser when somebody wants it.
import { useState } from "react";
import { ask, get, Problem } from "../http";
import { Refusal } from "../loading";
import { messages } from "../messages/en";
import { checkKey, type Finding } from "./check";
import type { Document } from "./covered";
import { parseKey } from "./note";
import { ProofSteps } from "./proof-steps";
import { checkResult, type ResultProof } from "./result";
import { recall } from "./seen";
import { Unverified } from "./unverified";

type Result = Document & { id: string; proof: ResultProof };

/** Offer to check that the numbers of a scan are those in the log. */
export function ProofCheck({ id }: { id: string }) {
  const words = messages.proof;
  const [findings, setFindings] = useState<readonly Finding[]>();
  const [problem, setProblem] = useState<Problem>();
  const [busy, setBusy] = useState(false);
  const check = () => {
    setBusy(true);
    setProblem(undefined);
    findingsOf(id)
      .then(setFindings)
      .catch((error) => setProblem(asProblem(error)))
      .finally(() => setBusy(false));
  };
  return (
    <div className="proof">
      <p>{words.offer}</p>
      <button type="button" onClick={check} disabled={busy}>
        {busy ? messages.loading.awaited : words.check}
      </button>
      {problem && <Refusal problem={problem} again={check} />}
      {findings && <ProofSteps findings={findings} />}
      {findings && <p className="why">{words.limits}</p>}
    </div>
  );
}

async function findingsOf(id: string): Promise<Finding[]> {
  const [result, text] = await Promise.all([
    get<Result>(`/api/v1/imaging/${encodeURIComponent(id)}/analysis`, { proof: 1 }),
    keyText(),
  ]);
  const known = await checkKey(text, recall(localStorage));
  return [known, ...(await checkResult(result, await parseKey(text)))];
}

/** The log's key, as the platform gives it to everybody. */
export async function keyText(): Promise<string> {
  return (await (await ask("/api/v1/audit/key")).text()).trim();
}

/** What stands in the way of a check, as a refusal; a bug of ours stays one. */
export function asProblem(error: unknown): Problem {
  if (error instanceof Problem) return error;
  if (error instanceof Unverified) return new Problem(0, error.code, error.message, null);
  if (crypto.subtle === undefined)
    return new Problem(0, "no_secure_context", messages.proof.insecure, null);
  throw error;
}
