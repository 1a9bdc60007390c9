// SPDX-License-Identifier: Apache-2.0
// Below a list that comes in pages, the newest first: further back, and to the newest again.
import "./pager.css";

interface Props {
  words: { newest: string; older: string };
  /** Where the page that is shown begins; null for the newest. */
  cursor: string | null;
  /** Where the next one does. */
  next: string | null;
  go: (cursor: string | null) => void;
}

export function Pager({ words, cursor, next, go }: Props) {
  return (
    <p className="pager">
      {cursor && (
        <button type="button" className="plain" onClick={() => go(null)}>
          {words.newest}
        </button>
      )}
      {next && (
        <button type="button" className="plain" onClick={() => go(next)}>
          {words.older}
        </button>
      )}
    </p>
  );
}
