// SPDX-License-Identifier: Apache-2.0
// The eye: where it stands, how the hand turns it, and what stays beside a place in its picture.
import { useFrame, useThree } from "@react-three/fiber";
import { type ReactNode, type RefObject, useEffect, useMemo, useRef } from "react";
import { type Group, PerspectiveCamera, type Sphere, Vector3 } from "three";
import { OrbitControls } from "three/addons/controls/OrbitControls.js";
import type { Point } from "./glb";
import { distanceFor, VIEWS, type View } from "./views";

export interface Pose {
  view: View;
  /** Counts the presses, so that the same view can be asked for again. */
  times: number;
  /** 1 fills the picture. */
  zoom: number;
  /** It goes round by itself. */
  turning: boolean;
}

interface Props {
  ball: Sphere;
  pose: Pose;
  /** Lights that go with the eye. */
  children: ReactNode;
}

export function Eye({ ball, pose, children }: Props) {
  const { camera, gl, size, invalidate } = useThree();
  const lights = useRef<Group>(null);
  const controls = useMemo(() => new OrbitControls(camera), [camera]);
  useEffect(() => {
    controls.connect(gl.domElement);
    gl.domElement.style.touchAction = "pan-y"; // a page is scrolled with one finger, too
    controls.enablePan = false;
    controls.autoRotateSpeed = 1;
    // A wheel scrolls the page; with Ctrl, or pinched on a pad, it comes nearer.
    const wheeled = (event: WheelEvent) => {
      controls.enableZoom = event.ctrlKey || event.metaKey;
    };
    const moved = () => invalidate();
    gl.domElement.parentElement?.addEventListener("wheel", wheeled, { capture: true });
    controls.addEventListener("change", moved);
    return () => {
      gl.domElement.parentElement?.removeEventListener("wheel", wheeled, { capture: true });
      controls.removeEventListener("change", moved);
      controls.dispose();
    };
  }, [controls, gl, invalidate]);
  const aspect = size.width / size.height;
  // biome-ignore lint/correctness/useExhaustiveDependencies: `times` asks for the view again
  useEffect(() => {
    const away = new Vector3(...VIEWS[pose.view]).setLength(distanceFor(ball.radius, aspect));
    controls.target.copy(ball.center);
    camera.position.copy(ball.center).add(away);
    controls.update();
    invalidate();
  }, [controls, camera, ball, aspect, pose.view, pose.times, invalidate]);
  useEffect(() => {
    if (camera instanceof PerspectiveCamera) {
      camera.zoom = pose.zoom;
      camera.updateProjectionMatrix();
    }
    invalidate();
  }, [camera, pose.zoom, invalidate]);
  useFrame((_, seconds) => {
    controls.autoRotate = pose.turning;
    controls.update(Math.min(seconds, 0.1));
    lights.current?.position.copy(camera.position);
    lights.current?.quaternion.copy(camera.quaternion);
  }, -1);
  return <group ref={lights}>{children}</group>;
}

interface PinProps {
  element: RefObject<HTMLElement | null>;
  at: Point;
}

/** Keep an element beside a place, as the eye sees it. */
export function Pin({ element, at }: PinProps) {
  const invalidate = useThree((state) => state.invalidate);
  const seen = useMemo(() => new Vector3(), []);
  // biome-ignore lint/correctness/useExhaustiveDependencies: another place is another picture
  useEffect(() => invalidate(), [at, invalidate]);
  useFrame(({ camera, size }) => {
    const box = element.current;
    if (!box) return;
    seen.set(...at).project(camera);
    const x = ((seen.x + 1) / 2) * size.width + 32;
    const y = ((1 - seen.y) / 2) * size.height - box.offsetHeight - 20;
    const left = Math.min(Math.max(x, 8), size.width - box.offsetWidth - 8);
    const top = Math.min(Math.max(y, 8), size.height - box.offsetHeight - 8);
    box.style.transform = `translate(${left.toFixed(1)}px, ${top.toFixed(1)}px)`;
  });
  return null;
}

/** Keep the name of a side at that side, while it does not lie before or behind the brain. */
export function Side({ element, ball, x }: Omit<PinProps, "at"> & { ball: Sphere; x: -1 | 1 }) {
  const [seen, ahead] = useMemo(() => [new Vector3(), new Vector3()], []);
  useFrame(({ camera, size }) => {
    const mark = element.current;
    if (!mark) return;
    seen.copy(ball.center).setX(ball.center.x + x * ball.radius * 0.9);
    seen.project(camera);
    camera.getWorldDirection(ahead);
    const aside = 1 - Math.abs(ahead.x);
    const near = ahead.x * x < 0;
    const left = ((seen.x + 1) / 2) * size.width - mark.offsetWidth / 2;
    const top = ((1 - seen.y) / 2) * size.height - mark.offsetHeight / 2;
    mark.style.transform = `translate(${left.toFixed(1)}px, ${top.toFixed(1)}px)`;
    mark.style.opacity = aside > (near ? 0.15 : 0.45) ? "1" : "0";
  });
  return null;
}
