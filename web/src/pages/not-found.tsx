// SPDX-License-Identifier: Apache-2.0
import { Link } from "wouter";
import { Title } from "../frame";
import { messages } from "../messages/en";

export function NotFoundPage() {
  return (
    <>
      <Title>{messages.notFound.title}</Title>
      <p>{messages.notFound.text}</p>
      <p>
        <Link href="/">{messages.notFound.home}</Link>
      </p>
    </>
  );
}
