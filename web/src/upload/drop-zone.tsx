// SPDX-License-Identifier: Apache-2.0
// Where files, folders and zips are dropped or chosen, by pointer or keyboard.
import { type DragEvent, useState } from "react";
import { messages } from "../messages/en";
import { chosen, dropped, take } from "./intake";
import type { Source } from "./source";
import "./upload.css";

const KINDS = ".dcm,.dicom,.nii,.nii.gz,.zip";

export function DropZone({ small = false, taken }: { small?: boolean; taken?: () => void }) {
  const words = messages.upload;
  const [over, setOver] = useState(false);
  const accept = (sources: Promise<Source[]> | Source[]) => {
    void take(sources);
    taken?.();
  };
  const drag = (event: DragEvent, inside: boolean) => {
    event.preventDefault();
    setOver(inside);
  };
  return (
    <section
      className={`drop${over ? " over" : ""}${small ? " small" : ""}`}
      aria-label={words.drop}
      onDragOver={(event) => drag(event, true)}
      onDragLeave={(event) => drag(event, false)}
      onDrop={(event) => {
        drag(event, false);
        accept(dropped(event.dataTransfer));
      }}
    >
      <Tray />
      <div>
        <p className="drop-title">{words.drop}</p>
        {!small && <p className="why">{words.dropNote}</p>}
      </div>
      <p className="drop-ways">
        <Picker label={words.pickFiles} accept={KINDS} took={accept} />
        <Picker label={words.pickFolder} folder took={accept} />
      </p>
    </section>
  );
}

function Picker({
  label,
  accept,
  folder = false,
  took,
}: {
  label: string;
  accept?: string;
  folder?: boolean;
  took: (sources: Source[]) => void;
}) {
  return (
    <label className="button picker">
      {label}
      <input
        type="file"
        className="unseen"
        multiple
        accept={accept}
        ref={(input) => {
          input?.toggleAttribute("webkitdirectory", folder);
        }}
        onChange={(event) => {
          const input = event.currentTarget;
          took(chosen(input.files));
          input.value = ""; // so that the same file can be chosen again
        }}
      />
    </label>
  );
}

function Tray() {
  return (
    <svg className="tray" viewBox="0 0 48 48" width="48" height="48" aria-hidden="true">
      <path d="M24 6v22m0-22-8 8m8-8 8 8" />
      <path d="M8 28v10a3 3 0 0 0 3 3h26a3 3 0 0 0 3-3V28" />
    </svg>
  );
}
