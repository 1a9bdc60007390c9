// SPDX-License-Identifier: Apache-2.0
// One scan: where it stands, and once it is done what was measured and how it compares.
import { lazy, Suspense, useCallback } from "react";
import type { Analysis, ScanStatus } from "../documents";
import { Title } from "../frame";
import { Awaited, useDocument } from "../loading";
import { messages } from "../messages/en";
import { Changes } from "../result/change";
import { Lead, QualityVerdict } from "../result/lead";
import { isFinal, Progress } from "../result/progress";
import { Health, Provenance } from "../result/provenance";
import { Similarity } from "../result/risk";
import { Derived, Volumes } from "../result/volumes";

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
      {(document) => (
        <>
          <Title>
            {document.status === "failed" ? messages.result.failed : messages.result.title}
          </Title>
          <Lead document={document} />
          <QualityVerdict document={document} />
          {document.status === "completed" && <Measured document={document} />}
          <Health document={document} />
          <Provenance document={document} />
        </>
      )}
    </Awaited>
  );
}

function Measured({ document }: { document: Analysis }) {
  return (
    <>
      <Suspense fallback={<div className="stage" />}>
        <Brain document={document} />
      </Suspense>
      <Volumes document={document} />
      <Derived document={document} />
      <Changes document={document} />
      <Similarity document={document} />
    </>
  );
}
