# SPDX-License-Identifier: Apache-2.0
"""What the event loop does: a thread that looks at it every few milliseconds."""

from __future__ import annotations

import sys
import threading
from collections import Counter
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

SAMPLE_S = 0.005


@contextmanager
def sampling() -> Generator[Counter[tuple[str, str]]]:
    """Look every few milliseconds at what the event loop is doing: task and innermost function."""
    found: Counter[tuple[str, str]] = Counter()
    loop_thread, over = threading.get_ident(), threading.Event()

    def look() -> None:
        while not over.wait(SAMPLE_S):
            frame = sys._current_frames().get(loop_thread)  # pyright: ignore[reportPrivateUsage]
            stack: list[str] = []
            while frame is not None:
                code = frame.f_code
                stack.append(f"{Path(code.co_filename).stem}.{code.co_qualname}")
                frame = frame.f_back
            found[_place(stack)] += 1

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield found
    finally:
        over.set()
        thread.join()


TASKS = {
    "worker.Worker._start_leased": "lease",
    "worker.Worker._work": "handle",
    "feeder.Feeder.run": "feed",
    "outbox.Relay.run": "relay",
    "tasks.Appender.run": "audit append",
    "tasks.Notary.run": "audit sign",
}
PARTS = {
    "event.decode": "decode event",
    "event.new_event": "make event",
    "event.Event.to_bytes": "encode event",
    "outbox.numbered": "number event",
    "inbox.open_envelope": "open envelope",
    "log.filed": "open envelope",
    "answer.answer": "answer",
    "telemetry.span": "span",
    "telemetry.current_traceparent": "span",
    "handlers.ScanHandler.transform": "processor's transform",
    "handlers.Predictor.transform": "ml's transform",
    "projection._keep": "api's record",
}


def _place(stack: Sequence[str]) -> tuple[str, str]:
    """Name a stack (innermost first) by the task it belongs to and the part it is in."""
    if any(each.startswith("selectors.") for each in stack[:1]):
        return "idle", ""
    task = next((TASKS[each] for each in stack if each in TASKS), "event loop")
    sql = any(each.startswith(("connection.", "pool.", "transaction.")) for each in stack)
    part = next((PARTS[each] for each in stack if each in PARTS), "")
    return task, "asyncpg" if sql else part or "other"


def profile(samples: Counter[tuple[str, str]]) -> dict[str, float]:
    """Percent of all samples by place, most first."""
    total = sum(samples.values()) or 1
    return {
        f"{task}: {part}" if part else task: 100 * n / total
        for (task, part), n in samples.most_common(14)
    }
