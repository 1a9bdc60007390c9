// SPDX-License-Identifier: Apache-2.0
// The structures as a list: by keyboard, by touch and by ear what the pointer is in the picture.
import { type KeyboardEvent, useId, useRef } from "react";
import { signed } from "../format";
import { messages } from "../messages/en";
import { type Facts, isAlert, verdict } from "./facts";

interface Props {
  facts: Facts[];
  colours: Record<string, string>;
  chosen: string | null;
  choose: (key: string | null) => void;
}

export function StructureList({ facts, colours, chosen, choose }: Props) {
  const id = useId();
  const list = useRef<HTMLDivElement>(null);
  const keyed = (event: KeyboardEvent) => {
    const next = keyTo(event.key, facts, chosen);
    if (next === undefined) return;
    event.preventDefault();
    choose(next);
    const place = facts.findIndex(({ key }) => key === next);
    list.current?.children[place]?.scrollIntoView({ block: "nearest" });
  };
  return (
    <div
      ref={list}
      className="brain-list"
      role="listbox"
      tabIndex={0}
      aria-label={messages.brain.list}
      aria-activedescendant={chosen === null ? undefined : `${id}${chosen}`}
      onKeyDown={keyed}
    >
      {facts.map((each) => (
        // biome-ignore lint/a11y/useKeyWithClickEvents: the list takes the keys
        // biome-ignore lint/a11y/useFocusableInteractive: the list has the focus
        <div
          key={each.key}
          id={`${id}${each.key}`}
          role="option"
          aria-selected={each.key === chosen}
          className={isAlert(each) ? "alert" : undefined}
          onClick={() => choose(each.key === chosen ? null : each.key)}
        >
          <Chip colour={colours[each.key]} />
          <span>{each.title}</span>
          <span className="z">{each.z === null ? messages.brain.noZ : signed(each.z)}</span>
          {isAlert(each) && <span className="word">{verdict(each)}</span>}
        </div>
      ))}
    </div>
  );
}

export function Chip({ colour }: { colour: string | undefined }) {
  return (
    <svg className="brain-chip" aria-hidden="true" viewBox="0 0 12 12">
      <circle cx={6} cy={6} r={5.5} fill={colour} />
    </svg>
  );
}

/** What a key leads to; undefined where it means nothing to the list. */
export function keyTo(
  key: string,
  facts: Pick<Facts, "key" | "title">[],
  chosen: string | null,
): string | null | undefined {
  const at = facts.findIndex((each) => each.key === chosen);
  const last = facts.length - 1;
  if (key === "Escape") return null;
  if (key === "ArrowDown") return facts[Math.min(at + 1, last)]?.key;
  if (key === "ArrowUp") return facts[at < 0 ? last : Math.max(at - 1, 0)]?.key;
  if (key === "Home") return facts[0]?.key;
  if (key === "End") return facts[last]?.key;
  if (!/^\p{L}$/u.test(key)) return undefined;
  const after = [...facts.slice(at + 1), ...facts.slice(0, at + 1)];
  return after.find(({ title }) => title.toLowerCase().startsWith(key.toLowerCase()))?.key;
}
