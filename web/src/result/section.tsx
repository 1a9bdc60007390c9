// SPDX-License-Identifier: Apache-2.0
// What every part of a result is made of.
import { type ReactNode, useId } from "react";
import { plain } from "../format";
import { messages } from "../messages/en";

/** A part with its heading; one with an id can be gone to. */
export function Section({
  id,
  title,
  children,
}: {
  id?: string;
  title: string;
  children: ReactNode;
}) {
  const heading = useId();
  return (
    <section id={id} className="part" aria-labelledby={heading}>
      <h2 id={heading}>{title}</h2>
      {children}
    </section>
  );
}

/** What few readers need, folded until it is asked for; on paper it is open. */
export function Fold({ title, children }: { title: string; children: ReactNode }) {
  return (
    <details className="fold">
      <summary>{title}</summary>
      {children}
    </details>
  );
}

/** A table that can be moved sideways where the screen is narrow. */
export function Table({
  caption,
  heads,
  numeric,
  children,
}: {
  caption: string;
  heads: readonly string[];
  /** Those of the heads whose column holds numbers. */
  numeric?: readonly string[];
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
              <th key={head} scope="col" className={numeric?.includes(head) ? "number" : ""}>
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
