// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from "vitest";
import { centreOf, surfacesOf } from "./glb";

/** A cube's corner cut off, packed as services/processor's meshes.py packs it. */
function packed(): ArrayBuffer {
  const points = new Float32Array([5, 6, 7, 8, 6, 7, 5, 9, 7, 5, 6, 10]);
  const triangles = new Uint16Array([0, 2, 1, 0, 1, 3, 0, 3, 2, 1, 2, 3]);
  const table = {
    nodes: [{ name: "brainstem", mesh: 0 }],
    meshes: [{ primitives: [{ attributes: { POSITION: 0, NORMAL: 1 }, indices: 2 }] }],
    accessors: [
      { bufferView: 0, componentType: 5126, count: 4 },
      { bufferView: 1, componentType: 5126, count: 4 },
      { bufferView: 2, componentType: 5123, count: 12 },
    ],
    bufferViews: [{ byteOffset: 0 }, { byteOffset: 48 }, { byteOffset: 96 }],
  };
  let text = JSON.stringify(table);
  text += " ".repeat((4 - (text.length % 4)) % 4);
  const bytes = new Uint8Array(20 + text.length + 8 + 120);
  const view = new DataView(bytes.buffer);
  [0x46546c67, 2, bytes.length, text.length, 0x4e4f534a].forEach((word, i) => {
    view.setUint32(4 * i, word, true);
  });
  bytes.set(new TextEncoder().encode(text), 20);
  view.setUint32(20 + text.length, 120, true);
  const content = 28 + text.length;
  bytes.set(new Uint8Array(points.buffer), content);
  bytes.set(new Uint8Array(points.buffer), content + 48);
  bytes.set(new Uint8Array(triangles.buffer), content + 96);
  return bytes.buffer;
}

describe("a file of surfaces", () => {
  it("is read as names, points and triangles", () => {
    const [surface] = surfacesOf(packed());
    expect(surface?.name).toBe("brainstem");
    expect([...(surface?.points.slice(3, 6) ?? [])]).toEqual([8, 6, 7]);
    expect([...(surface?.triangles.slice(0, 3) ?? [])]).toEqual([0, 2, 1]);
  });
  it("has surfaces with a centre: that of the space inside, not of the points", () => {
    const [surface] = surfacesOf(packed());
    if (!surface) throw new Error("no surface");
    const centre = centreOf(surface);
    expect(centre[0]).toBeCloseTo(5.75, 5);
    expect(centre[1]).toBeCloseTo(6.75, 5);
    expect(centre[2]).toBeCloseTo(7.75, 5);
  });
  it("is refused when it is another", () => {
    expect(() => surfacesOf(new ArrayBuffer(4))).toThrow("not a binary glTF file");
    expect(() => surfacesOf(new ArrayBuffer(64))).toThrow("not a binary glTF file");
  });
  it("is refused when it refers to what is not in it", () => {
    const cut = packed();
    const bytes = new Uint8Array(cut);
    const text = new TextDecoder().decode(bytes);
    bytes.set(new TextEncoder().encode(text.replace('"mesh":0', '"mesh":7')).slice(0, 200), 0);
    expect(() => surfacesOf(cut)).toThrow();
  });
});
