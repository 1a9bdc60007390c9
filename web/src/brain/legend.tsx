// SPDX-License-Identifier: Apache-2.0
// What the colours mean.
import { useId } from "react";
import { signed } from "../format";
import { messages } from "../messages/en";
import { NO_Z, SCALE, SPAN_Z } from "./colour";
import { Chip } from "./structure-list";

const TICKS = [-3, -2, -1, 0, 1, 2, 3];

export function Legend() {
  const words = messages.brain.legend;
  const id = useId();
  return (
    <figure className="brain-legend" aria-label={words.title}>
      <div>
        <div className="ends">
          <span>{words.less}</span>
          <span>{words.more}</span>
        </div>
        <svg aria-hidden="true" viewBox="0 0 240 12" preserveAspectRatio="none">
          <linearGradient id={id}>
            {SCALE.map((colour, i) => (
              <stop key={colour} offset={i / (SCALE.length - 1)} stopColor={colour} />
            ))}
          </linearGradient>
          <rect width={240} height={12} rx={3} fill={`url(#${id})`} />
        </svg>
        <div className="ends ticks">
          {TICKS.map((z) => (
            <span key={z}>{z === 0 ? "0" : signed(z, "", 0)}</span>
          ))}
        </div>
      </div>
      <figcaption>
        {words.scale(SPAN_Z)}
        <span className="grey">
          <Chip colour={NO_Z} /> {words.grey}
        </span>
      </figcaption>
    </figure>
  );
}
