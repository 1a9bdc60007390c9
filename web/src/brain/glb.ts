// SPDX-License-Identifier: Apache-2.0
// Reads the surfaces that the platform makes: binary glTF 2.0 with points, normals and triangles
// in one buffer, in RAS millimetres (x to the right, y to the front, z up).

export type Point = [number, number, number];

export interface Surface {
  /** The structure. */
  name: string;
  /** x, y and z of every point, one after the other. */
  points: Float32Array;
  normals: Float32Array;
  /** Three places of points for every triangle, counter-clockwise from outside. */
  triangles: Uint16Array | Uint32Array;
}

interface Table {
  nodes: { name: string; mesh: number }[];
  meshes: {
    primitives: { attributes: { POSITION: number; NORMAL: number }; indices: number }[];
  }[];
  accessors: { bufferView: number; byteOffset?: number; count: number; componentType: number }[];
  bufferViews: { byteOffset?: number }[];
}

const MAGIC = 0x46546c67;
const HEADER = 12;
const CHUNK_HEADER = 8;
const UNSIGNED_INT = 5125;

/** Read the surfaces of a GLB. Throws when it is none. */
export function surfacesOf(glb: ArrayBuffer): Surface[] {
  const view = new DataView(glb);
  if (glb.byteLength < HEADER + CHUNK_HEADER || view.getUint32(0, true) !== MAGIC) {
    throw new Error("not a binary glTF file");
  }
  const tableBytes = view.getUint32(HEADER, true);
  const start = HEADER + CHUNK_HEADER;
  const table: Table = JSON.parse(new TextDecoder().decode(new Uint8Array(glb, start, tableBytes)));
  const content = start + tableBytes + CHUNK_HEADER;
  return table.nodes.map(({ name, mesh }) => {
    const primitive = part(part(table.meshes, mesh).primitives, 0);
    const { POSITION, NORMAL } = primitive.attributes;
    return {
      name,
      points: vectors(glb, content, table, POSITION),
      normals: vectors(glb, content, table, NORMAL),
      triangles: places(glb, content, table, primitive.indices),
    };
  });
}

function vectors(glb: ArrayBuffer, content: number, table: Table, index: number): Float32Array {
  const accessor = part(table.accessors, index);
  return new Float32Array(glb, content + offset(table, accessor), 3 * accessor.count);
}

function places(glb: ArrayBuffer, content: number, table: Table, index: number) {
  const accessor = part(table.accessors, index);
  const Places = accessor.componentType === UNSIGNED_INT ? Uint32Array : Uint16Array;
  return new Places(glb, content + offset(table, accessor), accessor.count);
}

function offset(table: Table, accessor: Table["accessors"][number]): number {
  return (
    (part(table.bufferViews, accessor.bufferView).byteOffset ?? 0) + (accessor.byteOffset ?? 0)
  );
}

function part<T>(list: T[], index: number): T {
  const found = list[index];
  if (found === undefined) throw new Error("the file refers to what is not in it");
  return found;
}

/** Centre of the space that a closed surface encloses. */
export function centreOf({ points, triangles }: Surface): Point {
  const at = (corner: number, axis: number) => points[3 * (triangles[corner] ?? 0) + axis] ?? 0;
  const sum: Point = [0, 0, 0];
  let volume = 0;
  for (let i = 0; i < triangles.length; i += 3) {
    // Six times the signed volume of the tetrahedron from the origin.
    const six =
      at(i, 0) * (at(i + 1, 1) * at(i + 2, 2) - at(i + 1, 2) * at(i + 2, 1)) +
      at(i, 1) * (at(i + 1, 2) * at(i + 2, 0) - at(i + 1, 0) * at(i + 2, 2)) +
      at(i, 2) * (at(i + 1, 0) * at(i + 2, 1) - at(i + 1, 1) * at(i + 2, 0));
    volume += six;
    for (const axis of [0, 1, 2] as const) {
      sum[axis] += (six * (at(i, axis) + at(i + 1, axis) + at(i + 2, axis))) / 4;
    }
  }
  return sum.map((part) => part / volume) as Point;
}
