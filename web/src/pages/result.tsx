// SPDX-License-Identifier: Apache-2.0
// One scan: where it stands, and once it is done what was measured and how it compares.
import { lazy, Suspense, useCallback, useMemo } from "react";
import { Link } from "wouter";
import type { Analysis, ScanStatus } from "../documents";
import { moment } from "../format";
import { Title } from "../frame";
import { Awaited, useDocument } from "../loading";
import { messages } from "../messages/en";
import { Changes } from "../result/change";
import { Contents, usePrintedWhole } from "../result/contents";
import { Downloads } from "../result/downloads";
import { Lead, Verdict } from "../result/lead";
import { comparedOf, Norms } from "../result/norms";
import { isFinal, Progress } from "../result/progress";
import { Health, Provenance } from "../result/provenance";
import { Similarity } from "../result/risk";
import { Derived, Volumes } from "../result/volumes";
import "../result/result.css";

const Brain = lazy(() => import("../brain/brain"));

export function ResultPage({ id }: { id: string }) {
  const path = `/api/v1/imaging/${encodeURIComponent(id)}`;
  const status = useDocument<ScanStatus>(`${path}/status`);
  const finished = useCallback(() => status.again(), [status.again]);
  return (
    <Awaited of={status}>
      {(known) =>
        isFinal(known) ? (
          <Result path={path} />
        ) : (
          <>
            <Title>{messages.result.waiting}</Title>
            <Progress id={id} first={known} finished={finished} />
          </>
        )
      }
    </Awaited>
  );
}

function Result({ path }: { path: string }) {
  const analysis = useDocument<Analysis>(`${path}/analysis`);
  return (
    <Awaited of={analysis}>
      {(document) =>
        document.status === "failed" ? (
          <Failed document={document} />
        ) : (
          <Measured document={document} />
        )
      }
    </Awaited>
  );
}

function Failed({ document }: { document: Analysis }) {
  return (
    <>
      <Title>{messages.result.failed}</Title>
      <Facts document={document} />
      <Lead document={document} />
      <Verdict document={document} />
      <p>
        <Link href="/upload" className="button">
          {messages.result.another}
        </Link>
      </p>
      <Provenance document={document} />
    </>
  );
}

function Measured({ document }: { document: Analysis }) {
  usePrintedWhole();
  const parts = useMemo(() => partsOf(document), [document]);
  return (
    <>
      <div className="result-head">
        <Title>{messages.result.title}</Title>
        <button type="button" className="plain print" onClick={() => window.print()}>
          {messages.result.print}
        </button>
      </div>
      <Facts document={document} />
      <div className="result">
        <Contents parts={parts} />
        <div className="result-body">
          <Lead document={document} />
          <div id="brain" className="part">
            <Suspense fallback={<div className="stage" />}>
              <Brain document={document} />
            </Suspense>
          </div>
          <Norms document={document} />
          <Volumes document={document} />
          <Derived document={document} />
          <Changes document={document} />
          <Similarity document={document} />
          <Health document={document} />
          <Downloads document={document} />
          <Provenance document={document} />
        </div>
      </div>
    </>
  );
}

function Facts({ document }: { document: Analysis }) {
  const words = messages.result;
  const { person, acquisition } = document;
  const facts = [
    person?.sex && words.sexes[person.sex],
    person?.age_years != null && words.age(person.age_years),
    typeof acquisition?.["series"] === "string" && acquisition["series"],
    words.uploaded(moment(document.created_at)),
  ];
  return <p className="facts">{facts.filter(Boolean).join(" · ")}</p>;
}

/** The parts that this result has, as they follow each other. */
function partsOf(document: Analysis) {
  const given = Object.keys(document.health).length > 0;
  const parts = [
    { id: "summary", title: messages.result.summary },
    { id: "brain", title: messages.brain.title },
    comparedOf(document).length > 0 && { id: "norms", title: messages.norms.title },
    { id: "volumes", title: messages.volumes.title },
    { id: "change", title: messages.change.title },
    { id: "similarity", title: messages.risk.title },
    given && { id: "health", title: messages.health.title },
    { id: "downloads", title: messages.downloads.title },
    { id: "provenance", title: messages.provenance.title },
  ];
  return parts.filter((part) => part !== false);
}
