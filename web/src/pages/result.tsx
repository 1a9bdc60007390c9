// SPDX-License-Identifier: Apache-2.0
// One scan: what was measured, how it compares, and where it comes from.
import type { Analysis } from "../documents";
import { Title } from "../frame";
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
      <RegionTable document={document} />
    </>
  );
}
