// SPDX-License-Identifier: Apache-2.0
// Buttons for what the hand can do with the picture.
import { messages } from "../messages/en";
import type { Pose } from "./eye";
import { VIEWS, type View } from "./views";

const ZOOM = 1.25;

interface Props {
  pose: Pose;
  setPose: (change: (now: Pose) => Pose) => void;
  canTurn: boolean;
  save: () => void;
}

export function Toolbar({ pose, setPose, canTurn, save }: Props) {
  const words = messages.brain.tools;
  const zoomed = (factor: number) =>
    setPose((now) => ({ ...now, zoom: Math.min(Math.max(now.zoom * factor, 0.6), 4) }));
  return (
    <div className="brain-tools" role="toolbar" aria-label={words.title}>
      <fieldset>
        <legend className="unseen">{words.views}</legend>
        {(Object.keys(VIEWS) as View[]).map((view) => (
          <button
            key={view}
            type="button"
            onClick={() =>
              setPose((now) => ({ view, times: now.times + 1, zoom: 1, turning: false }))
            }
          >
            {words.view[view]}
          </button>
        ))}
      </fieldset>
      <fieldset>
        <button type="button" aria-label={words.nearer} onClick={() => zoomed(ZOOM)}>
          +
        </button>
        <button type="button" aria-label={words.farther} onClick={() => zoomed(1 / ZOOM)}>
          −
        </button>
        {canTurn && (
          <button
            type="button"
            aria-pressed={pose.turning}
            onClick={() => setPose((now) => ({ ...now, turning: !now.turning }))}
          >
            {words.turn}
          </button>
        )}
        <button type="button" onClick={save}>
          {words.save}
        </button>
      </fieldset>
    </div>
  );
}
