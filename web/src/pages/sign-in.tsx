// SPDX-License-Identifier: Apache-2.0
import { type FormEvent, useState } from "react";
import { Title } from "../frame";
import { Problem } from "../http";
import { Refusal } from "../loading";
import { messages } from "../messages/en";
import { signInWith } from "../session";

export function SignInPage({ idle }: { idle: boolean }) {
  const words = messages.signIn;
  const [problem, setProblem] = useState<Problem>();
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const bearer = String(new FormData(event.currentTarget).get("token") ?? "").trim();
    signInWith(bearer, window.location.pathname)
      .then((link) => window.location.assign(link))
      .catch((error) => setProblem(error instanceof Problem ? error : undefined));
  };
  return (
    <main id="content">
      <Title>{words.title}</Title>
      {idle && <p className="lead">{words.idle}</p>}
      <p>{words.link}</p>
      <form onSubmit={submit}>
        <label>
          {words.token}
          <textarea name="token" rows={4} required spellCheck={false} autoComplete="off" />
        </label>
        <button type="submit">{words.submit}</button>
      </form>
      {problem && <Refusal problem={problem} />}
      <p className="disclaimer">{messages.frame.disclaimer}</p>
    </main>
  );
}
