// SPDX-License-Identifier: Apache-2.0
// The picture: surfaces in RAS millimetres, looked at from anywhere.
import { Canvas, type ThreeEvent, useThree } from "@react-three/fiber";
import { type RefObject, useMemo } from "react";
import { Box3, type BufferAttribute, type BufferGeometry, Plane, Sphere } from "three";
import { Curtain } from "./curtain";
import { Eye, Pin, type Pose, Side } from "./eye";
import type { Point, Surface } from "./glb";
import type { Look } from "./looks";
import type { Rigid } from "./rigid";
import { geometryOf, Structure } from "./structure";
import { isShell } from "./structures";
import { FIELD_OF_VIEW } from "./views";

/** Another brain, shown at the left of a curtain. */
export interface Before {
  surfaces: Surface[];
  looks: Record<string, Look>;
  /** Brings it onto this one. */
  onto: Rigid;
}

export interface SceneProps {
  surfaces: Surface[];
  looks: Record<string, Look>;
  before?: Before | undefined;
  /** How much of the width the curtain hides, 0 to 1. */
  share?: number;
  pose: Pose;
  /** Something moves by itself, so every frame is drawn. */
  moving: boolean;
  hover: (structure: string | null) => void;
  choose: (structure: string | null) => void;
  /** An element that stays beside a place. */
  pin: { element: RefObject<HTMLElement | null>; at: Point | null };
  /** Elements that name the sides of the person. */
  sides: { left: RefObject<HTMLElement | null>; right: RefObject<HTMLElement | null> };
  /** Hands over what draws the picture now. */
  ready: (draw: () => HTMLCanvasElement) => void;
}

export default function BrainScene(props: SceneProps) {
  const { surfaces, looks, before, share = 0, pose, moving, pin } = props;
  const geometries = useMemo(() => surfaces.map(geometryOf), [surfaces]);
  const ball = useMemo(() => around(geometries), [geometries]);
  const curtain = useMemo(() => ({ left: new Plane(), right: new Plane() }), []);
  return (
    <Canvas
      flat
      frameloop={moving ? "always" : "demand"}
      dpr={[1, 2]}
      camera={{ fov: FIELD_OF_VIEW, near: 10, far: 3000, up: [0, 0, 1] }}
      onCreated={({ gl }) => {
        gl.localClippingEnabled = true;
      }}
      onPointerMissed={() => props.choose(null)}
    >
      <ambientLight intensity={1.15} />
      <Eye ball={ball} pose={pose}>
        <directionalLight position={[180, 260, 120]} intensity={1.7} />
      </Eye>
      {before && <Curtain share={share} planes={curtain} />}
      <Pointing {...props} hidden={before ? curtain.right : null}>
        {surfaces.map((surface, i) => (
          <Structure
            key={surface.name}
            name={surface.name}
            geometry={geometries[i] as BufferGeometry}
            look={looks[surface.name]}
            moving={moving}
            cut={before ? curtain.right : null}
          />
        ))}
      </Pointing>
      {before && <Earlier before={before} cut={curtain.left} />}
      {pin.at && <Pin element={pin.element} at={pin.at} />}
      <Side element={props.sides.left} ball={ball} x={-1} />
      <Side element={props.sides.right} ball={ball} x={1} />
      <Drawing ready={props.ready} />
    </Canvas>
  );
}

function Earlier({ before, cut }: { before: Before; cut: Plane }) {
  const geometries = useMemo(() => before.surfaces.map(geometryOf), [before.surfaces]);
  const [w, x, y, z] = before.onto.quaternion;
  return (
    <group quaternion={[x, y, z, w]} position={before.onto.shift}>
      {before.surfaces.map(({ name }, i) => (
        <Structure
          key={name}
          name={name}
          geometry={geometries[i] as BufferGeometry}
          look={before.looks[name]}
          moving={false}
          cut={cut}
        />
      ))}
    </group>
  );
}

/** Tells which structure is pointed at: the nearest, and what is looked through only alone. */
function Pointing({
  hidden,
  hover,
  choose,
  children,
}: Pick<SceneProps, "hover" | "choose"> & { hidden: Plane | null; children: React.ReactNode }) {
  const meant = (event: ThreeEvent<MouseEvent>): string | null => {
    event.stopPropagation();
    const names = event.intersections
      .filter(({ point }) => !hidden || hidden.distanceToPoint(point) >= 0)
      .map(({ object }) => object.name)
      .filter(Boolean);
    return names.find((name) => !isShell(name)) ?? names[0] ?? null;
  };
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: no element of the page, but of the picture
    <group
      onPointerMove={(event) => event.buttons === 0 && hover(meant(event))}
      onPointerOut={() => hover(null)}
      onClick={(event) => event.delta < 4 && choose(meant(event))}
    >
      {children}
    </group>
  );
}

function Drawing({ ready }: Pick<SceneProps, "ready">) {
  const { gl, scene, camera } = useThree();
  useMemo(
    () =>
      ready(() => {
        gl.render(scene, camera);
        return gl.domElement;
      }),
    [ready, gl, scene, camera],
  );
  return null;
}

function around(geometries: BufferGeometry[]): Sphere {
  const box = new Box3();
  for (const geometry of geometries) {
    box.union(
      new Box3().setFromBufferAttribute(geometry.getAttribute("position") as BufferAttribute),
    );
  }
  const ball = box.getBoundingSphere(new Sphere());
  // The corners of the box are empty: a brain is round.
  return new Sphere(ball.center, ball.radius * 0.74);
}
