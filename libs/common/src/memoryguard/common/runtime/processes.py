# SPDX-License-Identifier: Apache-2.0
"""Processes for CPU work: heartbeats share the event loop, so nothing long runs on it."""

from __future__ import annotations

import asyncio
import ctypes
import multiprocessing
import signal
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar, TypeVarTuple

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

PR_SET_PDEATHSIG = 1  # prctl(2)
M_ARENA_MAX = -8  # mallopt(3)


class Processes:
    """A pool of worker processes that survives the death of one of them."""

    def __init__(self, workers: int) -> None:
        self._workers = workers
        self._pool: ProcessPoolExecutor | None = None  # started by the first piece of work

    async def run(self, work: Callable[[*Ts], T], *arguments: *Ts) -> T:
        """Run a module-level function in a worker process.

        Raises
        ------
        RuntimeError
            The process died (killed, out of memory); the pool is made anew.
        """
        pool = self._pool = self._pool or self._open()
        try:
            return await asyncio.get_running_loop().run_in_executor(pool, work, *arguments)
        except BrokenProcessPool as error:
            if self._pool is pool:
                self._pool = None
            raise RuntimeError("a worker process died") from error

    def close(self) -> None:
        """Stop the workers without waiting for their work."""
        if self._pool is None:
            return
        workers = list(self._pool._processes.values())  # pyright: ignore[reportPrivateUsage]
        self._pool.shutdown(wait=False, cancel_futures=True)
        for worker in workers:  # shutdown alone would wait for a measurement to end
            worker.terminate()

    def _open(self) -> ProcessPoolExecutor:
        return ProcessPoolExecutor(
            self._workers,
            mp_context=multiprocessing.get_context("spawn"),
            initializer=_start_worker,
        )


def _start_worker() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    die_with_parent()


def die_with_parent() -> None:
    """Leave no orphan behind when the parent is killed (Linux)."""
    try:
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    except (OSError, AttributeError):  # another kernel
        return


def share_one_heap() -> None:
    """Give threads no heaps of their own (glibc).

    Each keeps holes where files have been, and takes 64 MiB of addresses: of a process whose
    addresses are limited, twenty threads would leave none.
    """
    try:
        ctypes.CDLL(None).mallopt(M_ARENA_MAX, 1)
    except (OSError, AttributeError):  # another library
        return
