// SPDX-License-Identifier: Apache-2.0
// Slices by NiiVue: sharp at any size, on the graphics processor.
import { Niivue, NVImage, SHOW_RENDER } from "@niivue/niivue";
import { useEffect, useRef } from "react";
import { messages } from "../messages/en";
import { rgb } from "./colour";
import type { Point } from "./glb";
import type { Ink } from "./planes";
import type { SlicesProps } from "./slices";

const MOST_LABELS = 64;
/** Moves smaller than this, in millimetres, are the same place told again. */
const SAME_MM = 0.6;

export default function ShadedSlices({ brain, labels, ink, at, move }: SlicesProps) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const viewer = useRef<Niivue>(undefined);
  const now = useRef({ at, move, ink });
  now.current = { at, move, ink };
  useEffect(() => {
    let gone = false;
    const made = viewerOf((to) => {
      if (far(to, now.current.at)) now.current.move(to);
    });
    void (async () => {
      await made.attachToCanvas(canvas.current as HTMLCanvasElement);
      const [grey, overlay] = await Promise.all([
        imageOf(brain.file, "brain.nii.gz"),
        imageOf(labels.file, "labels.nii.gz"),
      ]);
      if (gone) return;
      tint(overlay, now.current.ink);
      made.addVolume(grey);
      made.addVolume(overlay);
      viewer.current = made;
      place(made, now.current.at);
    })();
    return () => {
      gone = true;
      viewer.current = undefined;
      made.cleanup();
    };
  }, [brain, labels]);
  useEffect(() => {
    const overlay = viewer.current?.volumes[1];
    if (overlay) tint(overlay, { colours: ink.colours, opacity: ink.opacity });
    if (overlay) viewer.current?.updateGLVolume();
  }, [ink.colours, ink.opacity]);
  useEffect(() => {
    if (viewer.current) place(viewer.current, at);
  }, [at]);
  return (
    <div className="planes shaded">
      <canvas ref={canvas} aria-label={messages.brain.slices.title} />
    </div>
  );
}

function viewerOf(told: (to: Point) => void): Niivue {
  const viewer = new Niivue({
    backColor: [0, 0, 0, 1],
    crosshairColor: [1, 0.84, 0.3, 0.8],
    crosshairWidth: 1,
    crosshairGap: 6,
    dragAndDropEnabled: false,
    // The middle of an edge is where the crosshair ends.
    isCornerOrientationText: true,
    fontColor: [0.67, 0.72, 0.77, 1],
    isRuler: true,
    rulerColor: [0.67, 0.72, 0.77, 1],
    rulerWidth: 2,
    logLevel: "silent",
    loadingText: "",
    multiplanarShowRender: SHOW_RENDER.NEVER,
    multiplanarPadPixels: 8,
    isRadiologicalConvention: false,
    // Keys that would lead to a view that this page does not speak of.
    viewModeHotKey: "",
    clipPlaneHotKey: "",
    cycleClipPlaneHotKey: "",
  });
  viewer.onLocationChange = (location) => {
    const [x = 0, y = 0, z = 0] = (location as { mm: number[] }).mm;
    told([x, y, z]);
  };
  return viewer;
}

function imageOf(buffer: ArrayBuffer, name: string): Promise<NVImage> {
  return NVImage.loadFromUrl({ buffer, url: name, name });
}

function tint(overlay: NVImage, { colours, opacity }: Ink): void {
  const numbers = Array.from({ length: MOST_LABELS }, (_, label) => label);
  const parts = numbers.map((label) => rgb(colours.get(label) ?? "#000000"));
  overlay.setColormapLabel({
    I: numbers,
    R: parts.map(([red]) => red),
    G: parts.map(([, green]) => green),
    B: parts.map(([, , blue]) => blue),
    A: numbers.map((label) => (colours.has(label) ? 255 : 0)),
    labels: numbers.map(String),
  });
  overlay.opacity = opacity;
}

function place(viewer: Niivue, at: Point): void {
  viewer.scene.crosshairPos = viewer.mm2frac(at);
  viewer.drawScene();
}

function far(a: Point, b: Point): boolean {
  return Math.hypot(a[0] - b[0], a[1] - b[1], a[2] - b[2]) > SAME_MM;
}
