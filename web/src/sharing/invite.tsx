// SPDX-License-Identifier: Apache-2.0
// Let somebody see one's results: whom, what, and until when.
import { type FormEvent, useState } from "react";
import { Problem, send } from "../http";
import { Refusal } from "../loading";
import { messages } from "../messages/en";
import { Section } from "../result/section";

interface Invitation {
  code: string | null;
  grantee_id: string | null;
  accept_until: string;
}

const SCOPES = ["results", "status"] as const;
const DAY_MS = 86_400_000;

export function Invite({ path, done }: { path: string; done: () => void }) {
  const words = messages.sharing;
  const [made, setMade] = useState<Invitation>();
  const [problem, setProblem] = useState<Problem>();
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const form = event.currentTarget;
    setProblem(undefined);
    send<Invitation>("POST", path, bodyOf(new FormData(form)))
      .then((invitation) => {
        setMade(invitation);
        form.reset();
        done();
      })
      .catch((error) => setProblem(error instanceof Problem ? error : undefined));
  };
  return (
    <Section title={words.share}>
      <p>{words.shareMeans}</p>
      <form className="invite" onSubmit={submit}>
        <label>
          {words.whom}
          <input name="grantee" maxLength={100} autoComplete="off" spellCheck={false} />
          <span className="why">{words.whomHint}</span>
        </label>
        <fieldset>
          <legend>{words.what}</legend>
          {SCOPES.map((scope) => (
            <label key={scope}>
              <input type="checkbox" name="scope" value={scope} defaultChecked />{" "}
              {words.scopeMeans[scope]}
            </label>
          ))}
        </fieldset>
        <label>
          {words.until}
          <input type="date" name="until" min={day(1)} defaultValue={day(365)} required />
        </label>
        <button type="submit">{words.invite}</button>
      </form>
      {problem && <Refusal problem={problem} />}
      {made && <Made invitation={made} />}
    </Section>
  );
}

function Made({ invitation: { code, grantee_id, accept_until } }: { invitation: Invitation }) {
  const words = messages.sharing;
  return (
    <div className="lead" role="status">
      {code === null ? (
        <p>{words.offered(grantee_id ?? "", words.day(accept_until))}</p>
      ) : (
        <>
          <p>{words.giveCode(words.day(accept_until))}</p>
          <p>
            <code>{code}</code>{" "}
            <button
              type="button"
              className="plain"
              onClick={() => void navigator.clipboard.writeText(code)}
            >
              {words.copy}
            </button>
          </p>
        </>
      )}
    </div>
  );
}

/** The body of an invitation; a day ends with its last second, where the reader is. */
export function bodyOf(form: FormData) {
  return {
    grantee_id: String(form.get("grantee") ?? "").trim() || null,
    scopes: form.getAll("scope"),
    expires_at: new Date(`${form.get("until")}T23:59:59`).toISOString(),
  };
}

/** A day from today on, as an input of dates writes it. */
function day(from: number): string {
  const at = new Date(Date.now() + from * DAY_MS);
  const two = (n: number) => String(n).padStart(2, "0");
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
}
