# SPDX-License-Identifier: Apache-2.0
"""Logs, traces and metrics: JSON lines with a constant message plus fields, W3C trace context."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from datetime import UTC, datetime

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from prometheus_client import Counter, Gauge, Histogram

_PROPAGATOR = TraceContextTextMapPropagator()
_TRACER = trace.get_tracer("memoryguard")
_PLAIN = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}

HANDLED = Counter("memoryguard_events_handled", "Events handled.", ["service", "type", "outcome"])
HANDLE_SECONDS = Histogram(
    "memoryguard_event_handle_seconds",
    "Time from lease to commit.",
    ["service", "type"],
    buckets=(0.005, 0.02, 0.1, 0.5, 2, 10, 30, 120),
)
INBOX_ROWS = Gauge("memoryguard_inbox_rows", "Rows that are not done.", ["service", "state"])
HTTP_SECONDS = Histogram(
    "memoryguard_http_request_seconds", "Time of a request.", ["service", "route", "status"]
)


class JsonFormatter(logging.Formatter):
    """One JSON object a line. Exception texts are left out: they may hold values from a file."""

    def format(self, record: logging.LogRecord) -> str:
        """Write time, level, logger, message, the extra fields, and the error's type."""
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        line |= {k: v for k, v in record.__dict__.items() if k not in _PLAIN}
        if record.exc_info and record.exc_info[0]:
            line["error"] = record.exc_info[0].__name__
            line["at"] = _where(record)
        return json.dumps(line, default=str)


def _where(record: logging.LogRecord) -> list[str]:
    """File names and lines of the traceback, without any value."""
    places: list[str] = []
    step = record.exc_info[2] if record.exc_info else None
    while step is not None:
        code = step.tb_frame.f_code
        places.append(f"{code.co_filename.rsplit('/', 1)[-1]}:{step.tb_lineno}:{code.co_name}")
        step = step.tb_next
    return places[-8:]


def set_up_logging(level: str = "INFO") -> None:
    """Send JSON lines to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    logging.getLogger("aiohttp.access").setLevel(logging.WARNING)


def set_up_tracing(service: str, *, to_console: bool) -> None:
    """Record spans of this process; ``to_console`` prints them, otherwise an exporter is added."""
    provider = TracerProvider(resource=Resource.create({"service.name": f"memoryguard-{service}"}))
    if to_console:
        provider.add_span_processor(BatchSpanProcessor(ConsoleSpanExporter(out=sys.stderr)))
    trace.set_tracer_provider(provider)


@contextmanager
def span(name: str, traceparent: str | None, **attributes: str) -> Generator[None]:
    """Run a block in a span that continues the given trace."""
    context = _context(traceparent)
    with _TRACER.start_as_current_span(name, context=context, attributes=attributes):
        yield


@contextmanager
def span_over(name: str, traceparents: Iterable[str | None], **attributes: str) -> Generator[None]:
    """Run a block in a span of its own that is linked to each trace: work for many at once."""
    spans = [trace.get_current_span(_context(each)) for each in traceparents if each]
    links = [trace.Link(each.get_span_context()) for each in spans]
    with _TRACER.start_as_current_span(name, context=Context(), links=links, attributes=attributes):
        yield


def _context(traceparent: str | None) -> Context:
    return _PROPAGATOR.extract({"traceparent": traceparent} if traceparent else {})


def current_traceparent() -> str | None:
    """W3C ``traceparent`` of the current span."""
    carrier: dict[str, str] = {}
    _PROPAGATOR.inject(carrier)
    return carrier.get("traceparent")
