// SPDX-License-Identifier: Apache-2.0
// This very brain: its surfaces and its slices, linked, each as soon as it is there.
import { useCallback, useMemo, useRef, useState } from "react";
import { Link } from "wouter";
import type { Analysis } from "../documents";
import { sentence } from "../loading";
import { messages } from "../messages/en";
import { Section } from "../result/section";
import { Alerts } from "./alerts";
import { useArtifact } from "./artifact";
import { useSeen } from "./browser";
import { type Facts, factsOf } from "./facts";
import { FactsTable } from "./facts-table";
import { centreOf, type Point, type Surface, surfacesOf } from "./glb";
import { nearest, valueAt, volumeOf } from "./nifti";
import { type Read, Slices } from "./slices";
import { Stage } from "./stage";
import { numbersOf, regionOf, structureOf } from "./structures";
import "./brain.css";

const MIDDLE: Point = [0, -18, 4];

export default function Brain({ document }: { document: Analysis }) {
  const words = messages.brain;
  const facts = useMemo(() => factsOf(document), [document]);
  const surfaces = useArtifact(document, "structures.glb", surfacesOf);
  const slices = useRef<HTMLDivElement>(null);
  const wanted = useOnce(useSeen(slices));
  const brain = useArtifact(document, "brain.nii.gz", read, wanted);
  const labels = useArtifact(document, "labels.nii.gz", read, wanted);
  const [chosen, setChosen] = useState<string | null>(null);
  const [at, setAt] = useState<Point>(MIDDLE);
  const choose = (key: string | null) => {
    setChosen(key);
    const place = placeOf(facts, key, surfaces.value, labels.value);
    if (place) setAt(place);
  };
  const move = useCallback(
    (to: Point) => {
      setAt(to);
      const structure = labels.value && structureOf(valueAt(labels.value.volume, to));
      setChosen(structure ? regionOf(structure) : null);
    },
    [labels.value],
  );
  const problem = brain.problem ?? labels.problem;
  return (
    <Section title={words.title}>
      <Alerts facts={facts} choose={choose} />
      {document.artifacts["structures.glb"] ? (
        <Stage facts={facts} surfaces={surfaces} chosen={chosen} choose={choose} />
      ) : (
        <p className="why">{words.none}</p>
      )}
      <FactsTable facts={facts} />
      <Earlier document={document} />
      {document.artifacts["brain.nii.gz"] && (
        <div ref={slices} className="brain-room">
          <h3>{words.slices.title}</h3>
          {brain.value && labels.value ? (
            <Slices
              brain={brain.value}
              labels={labels.value}
              facts={facts}
              chosen={chosen}
              at={at}
              move={move}
            />
          ) : problem ? (
            <p className="why">{`${words.noSlices} ${sentence(problem.message)}`}</p>
          ) : (
            <progress
              className="brain-waiting"
              aria-label={words.coming}
              value={(brain.share * 9 + labels.share) / 10}
              max={1}
            />
          )}
        </div>
      )}
    </Section>
  );
}

/** Ways to the pages that set this scan beside an earlier one. */
function Earlier({ document }: { document: Analysis }) {
  const { earlier_scans: earlier } = document.atrophy;
  return earlier.map((scan, i) => (
    <p key={scan}>
      <Link href={`/imaging/${document.imaging_id}/compare/${scan}`}>
        {messages.brain.compare(earlier.length > 1 ? i + 1 : null)}
      </Link>
    </p>
  ));
}

async function read(file: ArrayBuffer): Promise<Read> {
  return { file, volume: await volumeOf(file) };
}

/** Where the slices go for a structure: into it, near its middle (which may lie outside). */
function placeOf(
  facts: Facts[],
  key: string | null,
  surfaces: Surface[] | undefined,
  labels: Read | undefined,
): Point | null {
  const structures = facts.find((each) => each.key === key)?.structures ?? [];
  const surface = surfaces?.find(({ name }) => structures.includes(name));
  if (!surface) return null;
  const centre = centreOf(surface);
  return labels ? nearest(labels.volume, numbersOf(surface.name), centre) : centre;
}

function useOnce(happened: boolean): boolean {
  const ever = useRef(false);
  ever.current ||= happened;
  return ever.current;
}
