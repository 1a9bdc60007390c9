# SPDX-License-Identifier: Apache-2.0
"""Work for many at once is found from the trace of each."""

from __future__ import annotations

from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan

from memoryguard.common.runtime.telemetry import (
    current_traceparent,
    set_up_tracing,
    span,
    span_over,
)


def test_a_span_over_many_is_linked_to_each_and_belongs_to_none() -> None:
    set_up_tracing("test", to_console=False)
    traces: list[str | None] = []
    for _ in range(2):
        with span("one", None):
            traces.append(current_traceparent())
    with span("around", None), span_over("all", [*traces, None], service="test"):
        found = trace.get_current_span()
        assert isinstance(found, ReadableSpan)
        assert found.parent is None
        linked = {
            f"{link.context.trace_id:032x}-{link.context.span_id:016x}" for link in found.links
        }
        assert linked == {str(each)[3:-3] for each in traces}  # less version and flags
