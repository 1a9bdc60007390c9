// SPDX-License-Identifier: Apache-2.0
// Slices that every browser can draw: pixels by hand, a millimetre each.
import { type PointerEvent, type RefObject, useEffect, useMemo, useRef } from "react";
import { messages } from "../messages/en";
import type { Point } from "./glb";
import { boundsOf } from "./nifti";
import { drawn, PLANES, type Plane } from "./planes";
import type { SlicesProps } from "./slices";

const SCALE_MM = 50;

export function FlatSlices(props: SlicesProps) {
  const bounds = useMemo(() => boundsOf(props.brain.volume), [props.brain]);
  return (
    <div className="planes flat">
      {PLANES.map((plane) => (
        <FlatPlane key={plane.name} {...props} plane={plane} bounds={bounds} />
      ))}
    </div>
  );
}

type PlaneProps = SlicesProps & { plane: Plane; bounds: [Point, Point] };

function FlatPlane({ brain, labels, ink, at, move, plane, bounds }: PlaneProps) {
  const words = messages.brain.slices;
  const canvas = useRef<HTMLCanvasElement>(null);
  const [low, high] = bounds;
  const { fixed, right, up } = plane;
  const frame = useWheel((steps) => {
    const to: Point = [...at];
    to[fixed] = Math.min(Math.max(at[fixed] + steps, low[fixed]), high[fixed]);
    move(to);
  });
  useSlice(canvas, { brain, labels, ink, at, plane, bounds });
  const width = Math.round(high[right] - low[right]) + 1;
  const height = Math.round(high[up] - low[up]) + 1;
  const pointed = (event: PointerEvent<HTMLElement>) => {
    if (event.buttons !== 1) return;
    const box = event.currentTarget.getBoundingClientRect();
    const to: Point = [...at];
    to[right] = low[right] + ((event.clientX - box.left) / box.width) * (width - 1);
    to[up] = high[up] - ((event.clientY - box.top) / box.height) * (height - 1);
    move(to);
  };
  const [x, y] = [at[right] - low[right], high[up] - at[up]];
  return (
    <figure ref={frame} className="plane" onPointerDown={pointed} onPointerMove={pointed}>
      <canvas ref={canvas} role="img" aria-label={words.plane[plane.name]} />
      <svg aria-hidden="true" viewBox={`0 0 ${width} ${height}`}>
        <path className="cross" d={`M${x} 0V${height}M0 ${y}H${width}`} />
        <path className="scale" d={`M4 ${height - 4}h${SCALE_MM}`} />
        <text x={4} y={height - 8}>{`${SCALE_MM} mm`}</text>
        <text x={4} y={height / 2}>
          {words.ends[right][0]}
        </text>
        <text x={width - 4} y={height / 2} textAnchor="end">
          {words.ends[right][1]}
        </text>
      </svg>
    </figure>
  );
}

/** Tells the turns of a wheel over an element; the page stays where it is. */
function useWheel(turned: (steps: number) => void): RefObject<HTMLElement | null> {
  const frame = useRef<HTMLElement>(null);
  const tell = useRef(turned);
  tell.current = turned;
  useEffect(() => {
    const element = frame.current;
    const wheeled = (event: WheelEvent) => {
      if (event.ctrlKey) return;
      event.preventDefault();
      tell.current(Math.sign(event.deltaY));
    };
    // React's own listener could not keep the page from moving.
    element?.addEventListener("wheel", wheeled, { passive: false });
    return () => element?.removeEventListener("wheel", wheeled);
  }, []);
  return frame;
}

/** Paint a slice whenever what it shows is another. */
function useSlice(
  canvas: RefObject<HTMLCanvasElement | null>,
  { brain, labels, ink, at, plane, bounds }: Omit<PlaneProps, "move">,
): void {
  const level = at[plane.fixed];
  // biome-ignore lint/correctness/useExhaustiveDependencies: only the level changes the picture
  useEffect(() => {
    const pen = canvas.current?.getContext("2d");
    if (!canvas.current || !pen) return;
    const { width, height, pixels } = drawn(brain.volume, labels.volume, bounds, plane, at, ink);
    canvas.current.width = width;
    canvas.current.height = height;
    pen.putImageData(new ImageData(pixels, width, height), 0, 0);
  }, [canvas, brain, labels, plane, bounds, level, ink.colours, ink.opacity]);
}
