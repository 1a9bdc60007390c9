// SPDX-License-Identifier: Apache-2.0
// An emergency: a clinician opens somebody's data without being let. Everybody who watches is told.
import { type FormEvent, useState } from "react";
import { Problem, send } from "../http";
import { Refusal } from "../loading";
import { messages } from "../messages/en";
import { Dialog } from "../parts/dialog";
import "./sharing.css";

export function BreakGlass({ opened }: { opened: () => void }) {
  const words = messages.breakGlass;
  const [asking, setAsking] = useState(false);
  const [problem, setProblem] = useState<Problem>();
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    const body = { user_id: String(form.get("account") ?? "").trim(), reason: form.get("reason") };
    send("POST", "/api/v1/access/break-glass", body)
      .then(opened)
      .catch((error) => setProblem(error instanceof Problem ? error : undefined));
  };
  const close = () => {
    setAsking(false);
    setProblem(undefined);
  };
  return (
    <>
      <p>
        <button type="button" className="plain" onClick={() => setAsking(true)}>
          {words.offer}
        </button>
      </p>
      {asking && (
        <Dialog title={words.title} close={close}>
          <p>{words.means}</p>
          <form className="line" onSubmit={submit}>
            <label>
              {words.account}
              <input name="account" required maxLength={100} autoComplete="off" />
            </label>
            <label>
              {words.reason}
              <select name="reason">
                {Object.entries(words.reasons).map(([code, text]) => (
                  <option key={code} value={code}>
                    {text}
                  </option>
                ))}
              </select>
            </label>
            <p className="choices">
              <button type="submit">{words.open}</button>
              <button type="button" className="plain" onClick={close}>
                {words.leave}
              </button>
            </p>
          </form>
          {problem && <Refusal problem={problem} />}
        </Dialog>
      )}
    </>
  );
}
