// SPDX-License-Identifier: Apache-2.0
// What is known of one structure, beside it.
import type { Ref } from "react";
import { type Facts, isAlert, lines, verdict } from "./facts";
import { Chip } from "./structure-list";

interface Props {
  facts: Facts;
  colour: string | undefined;
  ref?: Ref<HTMLDivElement>;
}

export function Tip({ facts, colour, ref }: Props) {
  return (
    <div ref={ref} className="brain-tip" aria-hidden="true">
      <p className="name">
        <Chip colour={colour} /> {facts.title}
      </p>
      <dl>
        {lines(facts).map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
      <p className={isAlert(facts) ? "word alert" : "word"}>{verdict(facts)}</p>
    </div>
  );
}
