// SPDX-License-Identifier: Apache-2.0
// The result as documents, for people and for other systems.
import type { Analysis } from "../documents";
import { messages } from "../messages/en";
import { Section } from "./section";

export function Downloads({ document }: { document: Analysis }) {
  const words = messages.downloads;
  const path = `/api/v1/imaging/${encodeURIComponent(document.imaging_id)}`;
  const made = words.made.map(([name, text]) => ({ href: `${path}/${name}`, text }));
  const files = Object.entries(document.artifacts).map(([name, { path: href }]) => ({
    href,
    text: words.files[name] ?? name,
  }));
  return (
    <Section id="downloads" title={words.title}>
      <ul>
        {[...made, ...files].map(({ href, text }) => (
          <li key={href}>
            <a href={href} download>
              {text}
            </a>
          </li>
        ))}
      </ul>
      <p className="why">{words.note}</p>
    </Section>
  );
}
