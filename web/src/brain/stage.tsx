// SPDX-License-Identifier: Apache-2.0
// The picture of the surfaces with all that belongs to it: views, list, legend.
import { lazy, type ReactNode, Suspense, useCallback, useMemo, useRef, useState } from "react";
import { sentence } from "../loading";
import { messages } from "../messages/en";
import type { Coming } from "./artifact";
import { graphics, useSeen, useStillness } from "./browser";
import type { Pose } from "./eye";
import { type Facts, isAlert, spoken } from "./facts";
import { centreOf, type Point, type Surface } from "./glb";
import { Legend } from "./legend";
import { coloursOf, looksOf } from "./looks";
import { Otherwise } from "./otherwise";
import { saved } from "./picture";
import type { Before } from "./scene";
import { StructureList } from "./structure-list";
import { regionOf } from "./structures";
import { Tip } from "./tip";
import { Toolbar } from "./toolbar";

const BrainScene = lazy(() => import("./scene"));

interface Props {
  facts: Facts[];
  surfaces: Coming<Surface[]>;
  chosen: string | null;
  choose: (key: string | null) => void;
  before?: Before | undefined;
  share?: number;
  /** Laid over the picture. */
  children?: ReactNode;
}

export function Stage({ facts, surfaces, chosen, choose, before, share, children }: Props) {
  const words = messages.brain;
  const still = useStillness();
  const able = graphics() !== "none";
  const [hovered, hover] = useState<string | null>(null);
  const [pose, setPose] = useState<Pose>({
    view: "oblique",
    times: 0,
    zoom: 1,
    turning: graphics() === "hardware",
  });
  const frame = useRef<HTMLDivElement>(null);
  const tip = useRef<HTMLDivElement>(null);
  const sides = { left: useRef<HTMLElement>(null), right: useRef<HTMLElement>(null) };
  const draw = useRef<() => HTMLCanvasElement>(undefined);
  const seen = useSeen(frame);
  const ready = useCallback((now: () => HTMLCanvasElement) => {
    draw.current = now;
  }, []);
  const looks = useMemo(() => looksOf(facts, chosen), [facts, chosen]);
  const colours = useMemo(() => coloursOf(facts), [facts]);
  const told = facts.find(({ key }) => key === (hovered ?? chosen));
  const at = useMemo(() => placeOf(told, surfaces.value), [told, surfaces.value]);
  const pick = (key: string | null) => {
    stop();
    choose(key);
  };
  const stop = () => setPose((now) => (now.turning ? { ...now, turning: false } : now));
  const alerts = facts.some(isAlert);
  const turning = pose.turning && !still;

  return (
    <div className={able ? "brain-stage" : "brain-stage unable"}>
      <div ref={frame} className="picture" onPointerEnter={stop} onPointerDown={stop}>
        <div className={hovered ? "view over" : "view"} role="img" aria-label={words.picture}>
          {able && surfaces.value && (
            <Otherwise instead={<p className="note">{words.noWebGl}</p>}>
              <Suspense fallback={<Waiting share={1} />}>
                <BrainScene
                  surfaces={surfaces.value}
                  looks={looks}
                  before={before}
                  share={share ?? 0}
                  pose={{ ...pose, turning }}
                  moving={seen && !still && (turning || alerts)}
                  hover={(structure) => hover(structure && regionOf(structure))}
                  choose={(structure) => pick(structure && regionOf(structure))}
                  pin={{ element: tip, at }}
                  sides={sides}
                  ready={ready}
                />
              </Suspense>
            </Otherwise>
          )}
        </div>
        {!able && <p className="note">{words.noWebGl}</p>}
        {able && !surfaces.value && <Waiting {...surfaces} />}
        {able && surfaces.value && (
          <>
            <span ref={sides.left} className="brain-side" aria-hidden="true">
              {words.left}
            </span>
            <span ref={sides.right} className="brain-side" aria-hidden="true">
              {words.right}
            </span>
            {children}
          </>
        )}
        {told && at && <Tip ref={tip} facts={told} colour={colours[told.key]} />}
      </div>
      {able && (
        <Toolbar
          pose={{ ...pose, turning }}
          setPose={setPose}
          canTurn={!still}
          save={() => draw.current && void saved(draw.current())}
        />
      )}
      <StructureList facts={facts} colours={colours} chosen={chosen} choose={pick} />
      <Legend />
      <p className="unseen" aria-live="polite">
        {facts.filter(({ key }) => key === chosen).map(spoken)}
      </p>
    </div>
  );
}

function Waiting({ share, problem }: Omit<Coming<unknown>, "value">) {
  const words = messages.brain;
  if (problem) return <p className="note">{`${words.noSurfaces} ${sentence(problem.message)}`}</p>;
  return <progress className="brain-waiting" aria-label={words.coming} value={share} max={1} />;
}

/** The middle of what is told of: the first of its surfaces. */
function placeOf(told: Facts | undefined, surfaces: Surface[] | undefined): Point | null {
  const surface = surfaces?.find(({ name }) => told?.structures.includes(name));
  return surface ? centreOf(surface) : null;
}
