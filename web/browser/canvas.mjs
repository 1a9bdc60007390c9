// SPDX-License-Identifier: Apache-2.0
// What is drawn in a canvas, as it is seen on the screen.

const TRIES = 60;
const BETWEEN_MS = 200;

/** Look at a canvas until it is as wanted.
 * @param {import("playwright-core").Locator} canvas
 * @param {(seen: {picture: Buffer, greys: number, coloured: number}) => boolean} wanted */
export async function seen(canvas, wanted) {
  let last = "";
  for (let tries = 0; tries < TRIES; tries++) {
    const picture = await canvas.screenshot();
    const counts = await canvas.evaluate(counted, picture.toString("base64"));
    if (wanted({ picture, ...counts })) return { picture, ...counts };
    last = JSON.stringify(counts);
    await canvas.page().waitForTimeout(BETWEEN_MS);
  }
  throw new Error(`the canvas never shows what it should: ${last}`);
}

/** How many greys there are, and how many pixels have a colour, crosshairs' yellow aside; in the page.
 * @param {Element} _ @param {string} base64 */
async function counted(_, base64) {
  const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
  const bitmap = await createImageBitmap(new Blob([bytes]));
  const pen = new OffscreenCanvas(bitmap.width, bitmap.height).getContext("2d");
  if (!pen) throw new Error("no canvas");
  pen.drawImage(bitmap, 0, 0);
  const { data } = pen.getImageData(0, 0, bitmap.width, bitmap.height);
  const greys = new Set();
  let coloured = 0;
  for (let at = 0; at < data.length; at += 4) {
    const [red = 0, green = 0, blue = 0] = data.subarray(at, at + 3);
    if (Math.max(red, green, blue) - Math.min(red, green, blue) <= 40) greys.add(red);
    else if (red < blue || 2 * (green - blue) < red - blue) coloured++;
  }
  return { greys: greys.size, coloured };
}
