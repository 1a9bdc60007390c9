// SPDX-License-Identifier: Apache-2.0
// The earlier brain and the later one in one picture, parted by a curtain that the hand moves.
import { useMemo, useState } from "react";
import type { Analysis } from "../documents";
import { sentence } from "../loading";
import { messages } from "../messages/en";
import { Section } from "../result/section";
import { useArtifact } from "./artifact";
import { factsOf } from "./facts";
import { surfacesOf } from "./glb";
import { looksOf } from "./looks";
import { alignment } from "./rigid";
import { Stage } from "./stage";
import "./brain.css";

export default function BeforeAfter({ earlier, later }: { earlier: Analysis; later: Analysis }) {
  const words = messages.compare;
  const facts = useMemo(() => factsOf(later), [later]);
  const then = useArtifact(earlier, "structures.glb", surfacesOf);
  const now = useArtifact(later, "structures.glb", surfacesOf);
  const [chosen, choose] = useState<string | null>(null);
  const [share, setShare] = useState(0.5);
  const before = useMemo(() => {
    if (!then.value || !now.value) return undefined;
    const onto = alignment(then.value, now.value);
    const looks = looksOf(factsOf(earlier), chosen);
    return onto ? { surfaces: then.value, looks, onto } : undefined;
  }, [then.value, now.value, earlier, chosen]);
  return (
    <Section title={words.picture}>
      {then.problem && <p className="why">{sentence(then.problem.message)}</p>}
      <Stage
        facts={facts}
        surfaces={now}
        chosen={chosen}
        choose={choose}
        before={before}
        share={share}
      >
        {before && <Handle share={share} setShare={setShare} />}
      </Stage>
      <p className="why">{words.aligned}</p>
    </Section>
  );
}

function Handle({ share, setShare }: { share: number; setShare: (share: number) => void }) {
  const words = messages.compare;
  const percent = Math.round(100 * share);
  return (
    <div className="curtain">
      <span>{words.earlier}</span>
      <span>{words.later}</span>
      <i style={{ left: `${100 * share}%` }} />
      <input
        type="range"
        aria-label={words.slider}
        aria-valuetext={words.said(percent)}
        min={0}
        max={100}
        value={percent}
        onChange={(event) => setShare(event.target.valueAsNumber / 100)}
      />
    </div>
  );
}
