// SPDX-License-Identifier: Apache-2.0
// The ways in: an identity provider where there is one, a one-time link, a token.
import { type FormEvent, useState } from "react";
import { Title } from "../frame";
import { Problem } from "../http";
import { Refusal, useDocument } from "../loading";
import { messages } from "../messages/en";
import { type Out, signInWith } from "../session";
import "./sign-in.css";

export function SignInPage({ why }: { why: Out }) {
  const words = messages.signIn;
  const ways = useDocument<{ oidc: string | null }>("/api/v1/sign-in");
  const provider = ways.value?.oidc;
  const path = encodeURIComponent(window.location.pathname);
  return (
    <main id="content" className="sign-in">
      <p className="home">{messages.frame.name}</p>
      <Title>{words.title}</Title>
      {words.why[why] && (
        <p className="lead" role="status">
          {words.why[why]}
        </p>
      )}
      {provider && (
        <p>
          <a className="button" href={`${provider}?path=${path}`}>
            {words.provider}
          </a>
        </p>
      )}
      <section aria-labelledby="by-link">
        <h2 id="by-link">{words.byLink}</h2>
        <p>{words.link}</p>
        <pre>
          <code>{words.linkCommand}</code>
        </pre>
      </section>
      <section aria-labelledby="by-token">
        <h2 id="by-token">{words.byToken}</h2>
        <TokenForm />
      </section>
      <p className="disclaimer" role="note">
        {messages.frame.disclaimer}
      </p>
    </main>
  );
}

function TokenForm() {
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
    <form onSubmit={submit}>
      <label>
        {words.token}
        <textarea name="token" rows={3} required spellCheck={false} autoComplete="off" />
      </label>
      <p className="why">{words.tokenKept}</p>
      <button type="submit">{words.submit}</button>
      {problem && <Refusal problem={problem} />}
    </form>
  );
}
