// SPDX-License-Identifier: Apache-2.0
// One scan: what was measured, how it compares, and where it comes from.
import { lazy, Suspense, useEffect, useState } from "react";
import type { Surface } from "../brain/scene";
import type { Analysis } from "../documents";
import { Title } from "../frame";
import { ask } from "../http";
import { Awaited, useDocument } from "../loading";
import { messages } from "../messages/en";
import { RegionTable } from "../parts/region-table";

export function ResultPage({ id }: { id: string }) {
  const analysis = useDocument<Analysis>(`/api/v1/imaging/${encodeURIComponent(id)}/analysis`);
  return <Awaited of={analysis}>{(document) => <Result document={document} />}</Awaited>;
}

function Result({ document }: { document: Analysis }) {
  const failed = document.status === "failed";
  return (
    <>
      <Title>{failed ? messages.result.failed : messages.result.title}</Title>
      <Suspense>
        <Brain document={document} />
      </Suspense>
      <RegionTable document={document} />
    </>
  );
}

const BrainScene = lazy(() => import("../brain/scene"));
const Slices = lazy(() => import("../brain/slices"));

function Brain({ document }: { document: Analysis }) {
  const [surfaces, setSurfaces] = useState<Surface[]>();
  const [volumes, setVolumes] = useState<ArrayBuffer[]>();
  useEffect(() => {
    const path = document.artifacts["structures.glb"]?.path;
    if (!path) return;
    void Promise.all([ask(path).then((r) => r.arrayBuffer()), import("../brain/scene")]).then(
      async ([glb, { surfacesOf }]) => setSurfaces(await surfacesOf(glb)),
    );
    void Promise.all(
      ["brain.nii.gz", "labels.nii.gz"].map((name) =>
        ask(`/api/v1/imaging/${document.imaging_id}/${name}`).then((r) => r.arrayBuffer()),
      ),
    ).then(setVolumes);
  }, [document]);
  return (
    <>
      {surfaces && <BrainScene surfaces={surfaces} />}
      {volumes && <Slices brain={volumes[0] as ArrayBuffer} labels={volumes[1] as ArrayBuffer} />}
    </>
  );
}
