// SPDX-License-Identifier: Apache-2.0
// A question before everything else on the page. The browser keeps the focus inside, and gives it
// back where it was; Escape closes.
import { type ReactNode, useId, useLayoutEffect, useRef } from "react";
import "./dialog.css";

export function Dialog({
  title,
  close,
  children,
}: {
  title: string;
  close: () => void;
  children: ReactNode;
}) {
  const id = useId();
  const dialog = useRef<HTMLDialogElement>(null);
  // Before the element leaves the page: only then does closing give the focus back.
  useLayoutEffect(() => {
    const shown = dialog.current;
    shown?.showModal();
    return () => shown?.close();
  }, []);
  const cancel = (event: { preventDefault: () => void }) => {
    event.preventDefault(); // whoever shows the dialog takes it away
    close();
  };
  return (
    <dialog ref={dialog} aria-labelledby={id} onCancel={cancel}>
      <h2 id={id}>{title}</h2>
      {children}
    </dialog>
  );
}
