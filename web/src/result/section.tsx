// SPDX-License-Identifier: Apache-2.0
// What every part of a result is made of.
import { type ReactNode, useId } from "react";
import { plain } from "../format";
import { messages } from "../messages/en";

export function Section({ title, children }: { title: string; children: ReactNode }) {
  const id = useId();
  return (
    <section aria-labelledby={id}>
      <h2 id={id}>{title}</h2>
      {children}
    </section>
  );
}

/** A table that can be moved sideways where the screen is narrow. */
export function Table({
  caption,
  heads,
  children,
}: {
  caption: string;
  heads: readonly string[];
  children: ReactNode;
}) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keyboard
    <section className="scroll" aria-label={caption} tabIndex={0}>
      <table>
        <caption>{caption}</caption>
        <thead>
          <tr>
            {heads.map((head) => (
              <th key={head} scope="col">
                {head}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>{children}</tbody>
      </table>
    </section>
  );
}

/** Why there is no value. */
export function Why({ code }: { code: string | null | undefined }) {
  return <span className="why">{plain(code || "not_measured")}</span>;
}

export function nameOf(key: string): string {
  const text = plain(key);
  return messages.names[key] ?? text.charAt(0).toUpperCase() + text.slice(1);
}
