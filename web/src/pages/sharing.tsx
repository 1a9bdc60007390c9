// SPDX-License-Identifier: Apache-2.0
// Who may see whose results, who lets whom, and who has looked.
import { type FormEvent, useState } from "react";
import { Title } from "../frame";
import { Problem, send } from "../http";
import { Awaited, Refusal, useDocument } from "../loading";
import { messages } from "../messages/en";
import { Dialog } from "../parts/dialog";
import { Section, Table } from "../result/section";
import { can, useSession } from "../session";
import { Invite } from "../sharing/invite";
import { Ledger } from "../sharing/ledger";
import "../sharing/sharing.css";

const GRANTS = "/api/v1/access/grants";
const INVITATIONS = "/api/v1/access/invitations";

interface Grant {
  grantee_id: string | null;
  scopes: string[];
  expires_at: string | null;
}

interface Received {
  user_id: string;
  scopes: string[];
  expires_at: string | null;
}

export interface Consents {
  items: (Grant & { grantee_id: string })[];
  received: Received[];
  invitations: (Grant & { invitation_id: string })[];
  invited_by: Received[];
}

/** Something to be done after a question, and the question. */
interface Question {
  title: string;
  text: string;
  button: string;
  act: () => Promise<unknown>;
}

export default function SharingPage() {
  const session = useSession();
  const consents = useDocument<Consents>(GRANTS);
  const [question, setQuestion] = useState<Question>();
  const done = () => {
    setQuestion(undefined);
    consents.again();
  };
  const patient = can(session, "patient");
  return (
    <>
      <Title>{messages.sharing.title}</Title>
      <Awaited of={consents}>
        {(known) => (
          <>
            {patient && <Given known={known} ask={setQuestion} />}
            {patient && <Invite path={INVITATIONS} done={consents.again} />}
            {can(session, "caregiver", "clinician") && <Taken known={known} done={done} />}
          </>
        )}
      </Awaited>
      {patient && <Ledger />}
      {question && (
        <Ask {...question} key={question.title} done={done} close={() => setQuestion(undefined)} />
      )}
    </>
  );
}

function Given({ known, ask }: { known: Consents; ask: (question: Question) => void }) {
  const words = messages.sharing;
  const revoke = (grantee: string) =>
    ask({
      title: words.revokeTitle(grantee),
      text: words.revokeMeans,
      button: words.revokeNow,
      act: () => send("DELETE", `${GRANTS}/${encodeURIComponent(grantee)}`),
    });
  const withdraw = (invitation: string) =>
    ask({
      title: words.withdrawTitle,
      text: words.withdrawMeans,
      button: words.withdraw,
      act: () => send("DELETE", `${INVITATIONS}/${encodeURIComponent(invitation)}`),
    });
  return (
    <Section title={words.given}>
      {known.items.length + known.invitations.length === 0 && <p>{words.nobody}</p>}
      {known.items.length > 0 && (
        <Table caption={words.givenCaption} heads={words.givenHeads}>
          {known.items.map((grant) => (
            <Row key={grant.grantee_id} who={grant.grantee_id} {...grant}>
              <button
                type="button"
                className="plain"
                aria-label={words.revokeOf(grant.grantee_id)}
                onClick={() => revoke(grant.grantee_id)}
              >
                {words.revoke}
              </button>
            </Row>
          ))}
        </Table>
      )}
      {known.invitations.length > 0 && (
        <Table caption={words.openCaption} heads={words.openHeads}>
          {known.invitations.map((offer) => (
            <Row key={offer.invitation_id} who={offer.grantee_id ?? words.anybody} {...offer}>
              <button type="button" className="plain" onClick={() => withdraw(offer.invitation_id)}>
                {words.withdraw}
              </button>
            </Row>
          ))}
        </Table>
      )}
    </Section>
  );
}

function Taken({ known, done }: { known: Consents; done: () => void }) {
  const words = messages.sharing;
  const [problem, setProblem] = useState<Problem>();
  const accept = (body: { code?: string; user_id?: string }) => {
    setProblem(undefined);
    send("POST", GRANTS, body)
      .then(done)
      .catch((error) => setProblem(error instanceof Problem ? error : undefined));
  };
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    accept({ code: String(new FormData(event.currentTarget).get("code") ?? "").trim() });
  };
  return (
    <Section title={words.received}>
      {known.received.length === 0 && <p>{words.receivedNone}</p>}
      {known.received.length > 0 && (
        <Table caption={words.receivedCaption} heads={words.receivedHeads}>
          {known.received.map((grant) => (
            <Row key={grant.user_id} who={grant.user_id} {...grant} />
          ))}
        </Table>
      )}
      {known.invited_by.length > 0 && (
        <Table caption={words.invitedCaption} heads={words.invitedHeads}>
          {known.invited_by.map((offer) => (
            <Row key={offer.user_id} who={offer.user_id} {...offer}>
              <button type="button" onClick={() => accept({ user_id: offer.user_id })}>
                {words.accept}
              </button>
            </Row>
          ))}
        </Table>
      )}
      <form className="line" onSubmit={submit}>
        <label>
          {words.code}
          <input name="code" required autoComplete="off" spellCheck={false} />
        </label>
        <button type="submit">{words.accept}</button>
      </form>
      {problem && <Refusal problem={problem} />}
    </Section>
  );
}

function Row({
  who,
  scopes,
  expires_at,
  children,
}: {
  who: string;
  scopes: string[];
  expires_at: string | null;
  children?: React.ReactNode;
}) {
  const words = messages.sharing;
  return (
    <tr>
      <th scope="row">{who}</th>
      <td>{scopes.map((scope) => words.scopes[scope] ?? scope).join(", ")}</td>
      <td>{expires_at === null ? words.noEnd : words.day(expires_at)}</td>
      {children && <td className="act">{children}</td>}
    </tr>
  );
}

function Ask({
  title,
  text,
  button,
  act,
  done,
  close,
}: Question & { done: () => void; close: () => void }) {
  const [problem, setProblem] = useState<Problem>();
  const confirm = () => {
    act()
      .then(done)
      .catch((error) => setProblem(error instanceof Problem ? error : undefined));
  };
  return (
    <Dialog title={title} close={close}>
      <p>{text}</p>
      {problem && <Refusal problem={problem} />}
      <p className="choices">
        <button type="button" onClick={confirm}>
          {button}
        </button>
        <button type="button" className="plain" onClick={close}>
          {messages.sharing.keep}
        </button>
      </p>
    </Dialog>
  );
}
