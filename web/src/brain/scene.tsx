// SPDX-License-Identifier: Apache-2.0
// The surfaces of this very brain, in RAS millimetres: x to the right, y to the front, z up.
import { Canvas, useThree } from "@react-three/fiber";
import { useEffect, useMemo } from "react";
import { type BufferGeometry, type Mesh, Vector3 } from "three";
import { OrbitControls } from "three/addons/controls/OrbitControls.js";
import { GLTFLoader } from "three/addons/loaders/GLTFLoader.js";

export interface Surface {
  name: string;
  geometry: BufferGeometry;
}

/** Read the surfaces of a GLB; each is named as its structure. */
export async function surfacesOf(glb: ArrayBuffer): Promise<Surface[]> {
  const { scene } = await new GLTFLoader().parseAsync(glb, "");
  const found: Surface[] = [];
  scene.traverse((node) => {
    if ((node as Mesh).isMesh) found.push({ name: node.name, geometry: (node as Mesh).geometry });
  });
  return found;
}

export default function BrainScene({ surfaces }: { surfaces: Surface[] }) {
  return (
    <Canvas
      camera={{ position: [0, -320, 60], up: [0, 0, 1], fov: 35, near: 1, far: 2000 }}
      style={{ height: 480 }}
    >
      <ambientLight intensity={0.9} />
      <directionalLight position={[100, -200, 300]} intensity={1.6} />
      <Controls />
      {surfaces.map((surface) => (
        <Structure key={surface.name} surface={surface} />
      ))}
    </Canvas>
  );
}

function Structure({ surface }: { surface: Surface }) {
  const shell = /^(cortex|white|cerebellar)/.test(surface.name);
  return (
    <mesh geometry={surface.geometry}>
      <meshStandardMaterial
        color={shell ? "#d9dee4" : "#d98c3f"}
        transparent={shell}
        opacity={shell ? 0.18 : 1}
        depthWrite={!shell}
        roughness={0.8}
      />
    </mesh>
  );
}

function Controls() {
  const { camera, gl } = useThree();
  const controls = useMemo(() => new OrbitControls(camera, gl.domElement), [camera, gl]);
  useEffect(() => {
    controls.target = new Vector3(0, -15, 10);
    controls.update();
    return () => controls.dispose();
  }, [controls]);
  return null;
}
