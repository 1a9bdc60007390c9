// SPDX-License-Identifier: Apache-2.0
// The parts of a result, beside them on wide screens and above them on narrow ones.
import { useEffect, useRef, useState } from "react";
import { messages } from "../messages/en";

export interface Part {
  id: string;
  title: string;
}

export function Contents({ parts }: { parts: readonly Part[] }) {
  const current = useCurrent(parts);
  const nav = useRef<HTMLElement>(null);
  // Where the parts stand in one row, the current one is kept in sight.
  useEffect(() => {
    const link = nav.current?.querySelector<HTMLElement>(`a[href="#${current}"]`);
    if (link) nav.current?.scrollTo({ left: link.offsetLeft - 32 });
  }, [current]);
  return (
    <nav ref={nav} className="contents" aria-label={messages.result.contents}>
      <ul>
        {parts.map(({ id, title }) => (
          <li key={id}>
            <a href={`#${id}`} aria-current={id === current ? "location" : undefined}>
              {title}
            </a>
          </li>
        ))}
      </ul>
    </nav>
  );
}

/** The part that is being read: the last one whose heading is above the middle of the window. */
function useCurrent(parts: readonly Part[]): string | undefined {
  const [current, setCurrent] = useState(parts[0]?.id);
  useEffect(() => {
    const look = () => {
      const middle = window.innerHeight / 3;
      const above = parts.filter(({ id }) => {
        const place = document.getElementById(id)?.getBoundingClientRect();
        return place !== undefined && place.top <= middle;
      });
      setCurrent((above.at(-1) ?? parts[0])?.id);
    };
    look();
    window.addEventListener("scroll", look, { passive: true });
    return () => window.removeEventListener("scroll", look);
  }, [parts]);
  return current;
}

/** Open everything that is folded while it is printed, and fold it again. */
export function usePrintedWhole(): void {
  useEffect(() => {
    let opened: HTMLDetailsElement[] = [];
    const open = () => {
      opened = [...document.querySelectorAll<HTMLDetailsElement>("details.fold:not([open])")];
      for (const fold of opened) fold.open = true;
    };
    const close = () => {
      for (const fold of opened) fold.open = false;
    };
    window.addEventListener("beforeprint", open);
    window.addEventListener("afterprint", close);
    return () => {
      window.removeEventListener("beforeprint", open);
      window.removeEventListener("afterprint", close);
    };
  }, []);
}
