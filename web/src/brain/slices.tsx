// SPDX-License-Identifier: Apache-2.0
// Axial, coronal and sagittal slices of the brain alone, with its structures laid over. They meet
// at one place, which the pointer moves, and the three rulers below as well. NiiVue draws them
// where there is a graphics processor (without one it takes seconds for every change); our own
// pixels do it everywhere else, and where the reader prefers them.
import { lazy, Suspense, useId, useMemo, useState } from "react";
import { messages } from "../messages/en";
import { graphics } from "./browser";
import { type Facts, verdict } from "./facts";
import type { Point } from "./glb";
import { inksOf } from "./looks";
import { boundsOf, type Volume } from "./nifti";
import { Otherwise } from "./otherwise";
import type { Axis, Ink } from "./planes";
import { FlatSlices } from "./slices-flat";

const ShadedSlices = lazy(() => import("./slices-shaded"));

/** A volume as the file that it came in, and read. */
export interface Read {
  file: ArrayBuffer;
  volume: Volume;
}

export interface SlicesProps {
  brain: Read;
  labels: Read;
  ink: Ink;
  /** Where the slices meet, in RAS millimetres. */
  at: Point;
  move: (to: Point) => void;
}

interface Props extends Omit<SlicesProps, "ink"> {
  facts: Facts[];
  chosen: string | null;
}

export function Slices({ facts, chosen, ...shown }: Props) {
  const words = messages.brain.slices;
  const [shaded, setShaded] = useState(graphics() === "hardware");
  const [opacity, setOpacity] = useState(0.6);
  const colours = useMemo(() => inksOf(facts, chosen), [facts, chosen]);
  const props = { ...shown, ink: { colours, opacity } };
  const flat = <FlatSlices {...props} />;
  const here = facts.find(({ key }) => key === chosen);
  return (
    <div className="brain-slices">
      <div className="head">
        <p>
          {here ? (
            <>
              <b>{here.title}</b> {verdict(here)}
            </>
          ) : (
            words.nowhere
          )}
        </p>
        {graphics() !== "none" && (
          <button type="button" aria-pressed={shaded} onClick={() => setShaded(!shaded)}>
            {words.shaded}
          </button>
        )}
      </div>
      {shaded ? (
        <Otherwise instead={flat}>
          <Suspense fallback={<div className="planes" />}>
            <ShadedSlices {...props} />
          </Suspense>
        </Otherwise>
      ) : (
        flat
      )}
      <Rulers {...shown} />
      <Ruler
        name={words.overlay}
        value={100 * opacity}
        ends={[0, 100]}
        said={words.percent(Math.round(100 * opacity))}
        set={(percent) => setOpacity(percent / 100)}
      />
    </div>
  );
}

function Rulers({ brain, at, move }: Pick<SlicesProps, "brain" | "at" | "move">) {
  const words = messages.brain.slices;
  const [low, high] = useMemo(() => boundsOf(brain.volume), [brain]);
  return ([0, 1, 2] as const).map((axis: Axis) => (
    <Ruler
      key={axis}
      name={words.axes[axis].name}
      value={at[axis]}
      ends={[low[axis], high[axis]]}
      said={words.side(Math.round(at[axis]), words.axes[axis].ends)}
      set={(mm) => move(at.map((other, i) => (i === axis ? mm : other)) as Point)}
    />
  ));
}

interface RulerProps {
  name: string;
  value: number;
  ends: [number, number];
  said: string;
  set: (value: number) => void;
}

function Ruler({ name, value, ends, said, set }: RulerProps) {
  const id = useId();
  return (
    <div className="ruler">
      <label htmlFor={id}>{name}</label>
      <input
        id={id}
        type="range"
        min={Math.round(ends[0])}
        max={Math.round(ends[1])}
        value={Math.round(value)}
        aria-valuetext={said}
        onChange={(event) => set(event.target.valueAsNumber)}
      />
      <output htmlFor={id}>{said}</output>
    </div>
  );
}
