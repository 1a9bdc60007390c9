// SPDX-License-Identifier: Apache-2.0
// This very brain: its surfaces and its slices, each as soon as it is there.
import { lazy, Suspense, useEffect, useState } from "react";
import type { Analysis, ArtifactName } from "../documents";
import { ask } from "../http";
import { messages } from "../messages/en";
import { Section } from "../result/section";
import BrainScene, { type Surface, surfacesOf } from "./scene";

const Slices = lazy(() => import("./slices"));

export default function Brain({ document }: { document: Analysis }) {
  const glb = useArtifact(document, "structures.glb");
  const brain = useArtifact(document, "brain.nii.gz");
  const labels = useArtifact(document, "labels.nii.gz");
  const [surfaces, setSurfaces] = useState<Surface[]>();
  useEffect(() => {
    if (glb) void surfacesOf(glb).then(setSurfaces);
  }, [glb]);
  return (
    <Section title={messages.brain.title}>
      <div className="stage">{surfaces && <BrainScene surfaces={surfaces} />}</div>
      <div className="stage slices">
        {brain && labels && (
          <Suspense>
            <Slices brain={brain} labels={labels} />
          </Suspense>
        )}
      </div>
    </Section>
  );
}

/** Fetch a file of a scan; undefined until it is there, and where there is none. */
function useArtifact({ artifacts }: Analysis, name: ArtifactName): ArrayBuffer | undefined {
  const path = artifacts[name]?.path;
  const [content, setContent] = useState<ArrayBuffer>();
  useEffect(() => {
    if (!path) return;
    const abort = new AbortController();
    ask(path, { signal: abort.signal })
      .then((response) => response.arrayBuffer())
      .then(setContent)
      .catch(() => undefined); // the tables stand without it
    return () => abort.abort();
  }, [path]);
  return content;
}
