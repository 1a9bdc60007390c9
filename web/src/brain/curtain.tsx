// SPDX-License-Identifier: Apache-2.0
// The upright plane through the eye that parts the earlier brain from this one.
import { useFrame, useThree } from "@react-three/fiber";
import { useEffect, useMemo } from "react";
import { type Plane, Vector3 } from "three";

interface Props {
  /** Where it stands in the width of the picture, 0 to 1. */
  share: number;
  /** What lies at the left of it stays with `left`, the rest with `right`. */
  planes: { left: Plane; right: Plane };
}

export function Curtain({ share, planes }: Props) {
  const invalidate = useThree((state) => state.invalidate);
  const [low, high, side] = useMemo(() => [new Vector3(), new Vector3(), new Vector3()], []);
  // biome-ignore lint/correctness/useExhaustiveDependencies: a move of the curtain is drawn
  useEffect(() => invalidate(), [share, invalidate]);
  // Before the picture is drawn, after the eye has moved.
  useFrame(({ camera }) => {
    camera.updateMatrixWorld();
    const x = 2 * share - 1;
    low.set(x, -1, 0.5).unproject(camera);
    high.set(x, 1, 0.5).unproject(camera);
    planes.right.setFromCoplanarPoints(camera.position, low, high);
    if (planes.right.distanceToPoint(side.set(x + 1, 0, 0.5).unproject(camera)) < 0) {
      planes.right.negate();
    }
    planes.left.copy(planes.right).negate();
  });
  return null;
}
