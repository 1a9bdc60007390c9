// SPDX-License-Identifier: Apache-2.0
// Saves what is seen as a PNG. It names nobody: neither in the picture nor in the file's name.
import { messages } from "../messages/en";
import { SCALE, SPAN_Z } from "./colour";

const GROUND = "#0c1116";
const INK = "#dfe6ee";

/** Set a drawing on its ground, over the scale and the words on research use. */
export async function pictureOf(drawing: HTMLCanvasElement): Promise<Blob | null> {
  const page = document.createElement("canvas");
  const em = Math.max(Math.round(drawing.width / 60), 11);
  page.width = drawing.width;
  page.height = drawing.height + 5 * em;
  const pen = page.getContext("2d");
  if (!pen) return null;
  pen.fillStyle = GROUND;
  pen.fillRect(0, 0, page.width, page.height);
  pen.drawImage(drawing, 0, 0);
  pen.font = `${em}px system-ui, sans-serif`;
  drawScale(pen, em, drawing.height + em);
  pen.fillText(messages.frame.disclaimer, em, drawing.height + 4 * em);
  return new Promise((done) => page.toBlob(done, "image/png"));
}

function drawScale(pen: CanvasRenderingContext2D, em: number, top: number): void {
  const width = 12 * em;
  const ramp = pen.createLinearGradient(em, 0, em + width, 0);
  SCALE.forEach((colour, i) => {
    ramp.addColorStop(i / (SCALE.length - 1), colour);
  });
  pen.fillStyle = ramp;
  pen.fillRect(em, top, width, em);
  pen.fillStyle = INK;
  pen.fillText(messages.brain.legend.short(SPAN_Z), 2 * em + width, top + 0.9 * em);
}

/** Hand a picture to the browser's downloads. */
export async function saved(drawing: HTMLCanvasElement): Promise<void> {
  const blob = await pictureOf(drawing);
  if (!blob) return;
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = "brain.png";
  link.click();
  URL.revokeObjectURL(link.href);
}
