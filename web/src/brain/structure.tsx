// SPDX-License-Identifier: Apache-2.0
// One surface: its colour, the glow of what lies outside the usual range, the rim of the chosen.
import { useFrame } from "@react-three/fiber";
import { useEffect, useMemo, useRef } from "react";
import {
  BackSide,
  BufferAttribute,
  BufferGeometry,
  type Material,
  type MeshStandardMaterial,
  type Plane,
} from "three";
import type { Surface } from "./glb";
import type { Look } from "./looks";
import { isShell } from "./structures";

const ALERT = "#ffc857";
const CHOSEN = "#ffffff";
const RIM_MM = 0.9;
/** Radians a second: one pulse in 2.5 seconds, far from what could harm anybody. */
const PULSE = (2 * Math.PI) / 2.5;

export function geometryOf({ points, normals, triangles }: Surface): BufferGeometry {
  const geometry = new BufferGeometry();
  geometry.setAttribute("position", new BufferAttribute(points, 3));
  geometry.setAttribute("normal", new BufferAttribute(normals, 3));
  geometry.setIndex(new BufferAttribute(triangles, 1));
  return geometry;
}

interface Props {
  name: string;
  geometry: BufferGeometry;
  look: Look | undefined;
  moving: boolean;
  /** What lies behind this plane is not shown. */
  cut: Plane | null;
}

export function Structure({ name, geometry, look, moving, cut }: Props) {
  const planes = useMemo(() => (cut ? [cut] : []), [cut]);
  useEffect(() => () => geometry.dispose(), [geometry]);
  if (!look) return null;
  const skin = { look, planes };
  return isShell(name) ? (
    <Glass name={name} geometry={geometry} {...skin} />
  ) : (
    <Solid name={name} geometry={geometry} pulsing={look.alert && moving} {...skin} />
  );
}

interface Skin {
  name: string;
  geometry: BufferGeometry;
  look: Look;
  planes: Plane[];
}

function Solid({ name, geometry, look, planes, pulsing }: Skin & { pulsing: boolean }) {
  const material = useRef<MeshStandardMaterial>(null);
  useFrame(({ clock }) => {
    if (!material.current) return;
    const glow = pulsing ? 0.5 - 0.5 * Math.cos(clock.elapsedTime * PULSE) : 0;
    material.current.emissiveIntensity = 0.75 * glow;
  });
  const rim = look.chosen ? CHOSEN : look.alert ? ALERT : null;
  return (
    <>
      <mesh name={name} geometry={geometry}>
        <meshStandardMaterial
          ref={material}
          color={look.colour}
          emissive={ALERT}
          emissiveIntensity={0}
          roughness={0.65}
          clippingPlanes={planes}
        />
      </mesh>
      {rim && (
        <mesh geometry={geometry} raycast={unfelt}>
          <meshBasicMaterial
            color={rim}
            side={BackSide}
            clippingPlanes={planes}
            onBeforeCompile={widened}
          />
        </mesh>
      )}
    </>
  );
}

/**
 * Clear where it is looked through straight, and milky along its edge. Its depth is drawn first,
 * so that of all its folds only the nearest is seen. White matter lies inside the cortex: it is
 * shown when it is asked for.
 */
function Glass({ name, geometry, look, planes }: Skin) {
  const inside = name.startsWith("white") || name === "cerebellar_white";
  if (inside && !look.chosen) return null;
  return (
    <>
      {!inside && (
        <mesh geometry={geometry} renderOrder={1} raycast={unfelt}>
          <meshBasicMaterial colorWrite={false} clippingPlanes={planes} />
        </mesh>
      )}
      <mesh name={name} geometry={geometry} renderOrder={inside ? 0 : 2}>
        <meshStandardMaterial
          color={look.colour}
          transparent={!inside}
          opacity={look.chosen ? 0.8 : 0.55}
          depthWrite={inside}
          roughness={0.9}
          clippingPlanes={planes}
          onBeforeCompile={milky}
        />
      </mesh>
    </>
  );
}

/** Of a mesh that the pointer goes through. */
const unfelt = () => null;

type Shader = Parameters<Material["onBeforeCompile"]>[0];

function milky(shader: Shader): void {
  shader.fragmentShader = shader.fragmentShader.replace(
    "#include <opaque_fragment>",
    `float edge = 1.0 - abs(dot(normalize(normal), normalize(vViewPosition)));
     diffuseColor.a *= 0.3 + 1.3 * pow(edge, 2.0);
     #include <opaque_fragment>`,
  );
}

function widened(shader: Shader): void {
  shader.vertexShader = shader.vertexShader.replace(
    "#include <begin_vertex>",
    `vec3 transformed = position + ${RIM_MM.toFixed(2)} * normal;`,
  );
}
