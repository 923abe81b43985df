"""A thread that has worker processes do its jobs, one after another, and looks after them."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from .worker_process import MOST_ESCALATION, PRIORITIES
from .worker_running import Failure, WorkerProcess
from .worker_slot import WorkerSlot

TURN_SECONDS = 0.2
CLOSE_SECONDS = 3.0
QUICK_SHARE = 0.25
"""Of its limit: who needs no more than that was not starved."""


@dataclass(frozen=True, slots=True)
class Handed:
    """A job that is written and ready in its folder: of which band, and why."""

    folder: Path
    band: tuple[str, str]
    reason: str


@dataclass(slots=True)
class _Running:
    """With a `failure`, it has been given up after `lasted_seconds`."""

    handed: Handed
    process: WorkerProcess
    started_seconds: float
    lasted_seconds: float = 0.0
    failure: Failure | None = None


def nothing() -> None:
    """To prepare, where there is nothing to prepare."""


class WorkerThread:
    """Every 0.2 s: looks after the worker, or asks `next_job()` for a job and starts `command` on its folder.

    `ended(handed, lasted_seconds, failure)` is called once for each job handed over, with its process gone
    and its folder still there; after it the folder goes. `failure` is None, or a kind and a message:
    `timeout` (it took more than `most_seconds`), `killed`, `refused`, `disk`, `error` (so is one that could
    not be started). Only a job that `close` cuts off ends unsaid. `next_job` is asked only while no worker
    of any user of `slot` is at work; it, `ended` and `prepare` (once, at first) run in this thread. What
    they raise ends the thread, its worker and its hold of the slot.

    A worker runs when nobody else wants to. On a machine that is always busy that is too rarely: after a
    `timeout` the next ones run at the next priority (`worker_process.PRIORITIES`), until one has succeeded
    within a quarter of its limit.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        next_job: Callable[[], Handed | None],
        ended: Callable[[Handed, float, Failure | None], None],
        most_seconds: float,
        slot: WorkerSlot | None = None,
        prepare: Callable[[], None] = nothing,
        monotonic_seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        self._command = tuple(command)
        self._next_job = next_job
        self._ended = ended
        self._most_seconds = most_seconds
        self._slot = WorkerSlot() if slot is None else slot
        self._prepare = prepare
        self._monotonic_seconds = monotonic_seconds
        self._escalation = 0
        self._running: _Running | None = None
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    @property
    def worker_pid(self) -> int | None:
        """The process that is at work; None while none is."""
        running = self._running
        return None if running is None else running.process.pid

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        """End the worker and let go of what it was at."""
        self._closing.set()
        if self._thread.ident is not None:
            self._thread.join(CLOSE_SECONDS)

    def turn(self) -> None:
        """Look after the worker, or begin what is next."""
        if self._running is not None:
            self._look_after(self._running)
        elif self._slot.take(self):
            try:
                handed = self._next_job()
                if handed is not None:
                    self._begin(handed)
            finally:
                if self._running is None:
                    self._slot.let_go(self)

    def _run(self) -> None:
        try:
            self._prepare()
            while not self._closing.wait(TURN_SECONDS):
                self.turn()
        finally:
            if self._running is not None:
                self._running.process.end()
                self._let_go(self._running.handed)
            self._slot.leave(self)

    def _begin(self, handed: Handed) -> None:
        started_seconds = self._monotonic_seconds()
        try:
            process = WorkerProcess(self._command, handed.folder, self._escalation)
        except OSError as error:
            self._tell(handed, 0.0, ("error", f"{self._command[0]}: {error.strerror or error}"))
            return
        self._running = _Running(handed, process, started_seconds)

    def _look_after(self, running: _Running) -> None:
        if running.failure is None:
            lasted_seconds = self._monotonic_seconds() - running.started_seconds
            if not running.process.is_alive:
                failure = running.process.failure()
                if failure is None and lasted_seconds <= QUICK_SHARE * self._most_seconds:
                    self._escalation = 0
                running.process.end()
                self._tell(running.handed, lasted_seconds, failure)
                return
            if lasted_seconds <= self._most_seconds:
                return
            self._escalation = min(self._escalation + 1, MOST_ESCALATION)
            next_one = PRIORITIES[self._escalation].words
            limit = f"limit: {self._most_seconds:g} s; the next runs at {next_one}"
            running.failure = "timeout", f"after {lasted_seconds:.0f} s; {limit}"
            running.lasted_seconds = lasted_seconds
        if running.process.end():  # else it has memory still: later turns see to it
            self._tell(running.handed, running.lasted_seconds, running.failure)

    def _tell(self, handed: Handed, lasted_seconds: float, failure: Failure | None) -> None:
        try:
            self._ended(handed, lasted_seconds, failure)
        finally:
            self._let_go(handed)

    def _let_go(self, handed: Handed) -> None:
        shutil.rmtree(handed.folder, ignore_errors=True)
        self._running = None
        self._slot.let_go(self)


class HasWorkers:
    """Who has jobs done in a thread of its own: `_thread`, which it makes."""

    _thread: WorkerThread

    @property
    def worker_pid(self) -> int | None:
        """The process that is at work; None while none is."""
        return self._thread.worker_pid

    def start(self) -> None:
        self._thread.start()

    def turn(self) -> None:
        """One of the thread's turns, where it is not started."""
        self._thread.turn()

    def close(self) -> None:
        """End the worker and let go of what it was at."""
        self._thread.close()
