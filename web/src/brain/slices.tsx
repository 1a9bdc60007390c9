// SPDX-License-Identifier: Apache-2.0
// Axial, coronal and sagittal slices of the brain alone, with its structures laid over.
import { Niivue, NVImage } from "@niivue/niivue";
import { useEffect, useRef } from "react";

export default function Slices({ brain, labels }: { brain: ArrayBuffer; labels: ArrayBuffer }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  useEffect(() => {
    if (!canvas.current) return;
    const viewer = new Niivue({ show3Dcrosshair: true });
    void (async () => {
      await viewer.attachToCanvas(canvas.current as HTMLCanvasElement);
      viewer.addVolume(
        await NVImage.loadFromUrl({ buffer: brain, url: "brain.nii.gz", name: "brain.nii.gz" }),
      );
      viewer.addVolume(
        await NVImage.loadFromUrl({
          buffer: labels,
          url: "labels.nii.gz",
          name: "labels.nii.gz",
          colormap: "freesurfer",
          opacity: 0.5,
        }),
      );
      document.title = "slices ready";
    })();
  }, [brain, labels]);
  return <canvas ref={canvas} width={900} height={400} />;
}
