"""Explanations of a running agent's clusters: what is asked for, one worker process, what came of it."""

from __future__ import annotations

import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from ..config.schema import Explain
from ..pipeline.durable_file import new_folder
from ..pipeline.errors import BadInput
from ..pipeline.frames import Assignment, Verdict, Window
from .explain_job import (
    EXPLAIN_FOLDER,
    REQUEST_FILE,
    Job,
    Result,
    new_job,
    no_room,
    read_result,
    tidy_jobs,
)
from .explain_schedule import NOVEL, REQUEST, BandKey, ExplainSchedule
from .explained_folders import ExplainedFolders
from .labels import Labels
from .outputs import Output
from .reports import Reports
from .reservoir import Reservoir
from .worker_running import Failure
from .worker_slot import WorkerSlot
from .worker_thread import Handed, HasWorkers, WorkerThread, nothing

WORKER = (sys.executable, "-m", f"{__package__}.explainer_worker")
MOST_RESERVOIR_BYTES = 512 * 1024 * 1024
WINDOWS_A_CLUSTER = 4


@dataclass(slots=True)
class _Known:
    """What is known of a band: `labels` are those in use, by which its model is known at any moment.

    A refresh takes `at_most` windows."""

    reservoir: Reservoir
    labels: Labels
    novel: set[int]
    at_most: int


class Explainer(HasWorkers):
    """Fills reservoirs from the loop, and has a worker refresh a band's explanations from them: on its
    period, on `ask`, when somebody makes the file `explain/refresh`, and when a verdict becomes `novel`.

    `seen`, `take` and `ask` never wait: they are the loop's. Files and the worker are a thread's
    (`WorkerThread`). A band that waits for the worker, or that it is at, takes no other request: that is
    counted as skipped. A worker that is killed, fails or takes too long costs this one refresh.
    """

    def __init__(
        self,
        settings: Explain,
        directory: Path,
        reports: Reports,
        *,
        keep_free_bytes: int = 0,
        monotonic_seconds: Callable[[], float] = time.monotonic,
        worker: Sequence[str] = WORKER,
        slot: WorkerSlot | None = None,
    ) -> None:
        self._settings = settings
        self._directory = directory
        self._folder = directory / EXPLAIN_FOLDER
        self._reports = reports
        self._published = ExplainedFolders(self._folder, reports)
        self._keep_free_bytes = keep_free_bytes
        self._schedule = ExplainSchedule(settings.period_seconds, monotonic_seconds=monotonic_seconds)
        self._lock = threading.Lock()  # of the schedule
        self._known: dict[BandKey, _Known] = {}
        self._without_room: set[BandKey] = set()
        self._made: deque[tuple[BandKey, str, Result]] = deque(maxlen=64)
        self.newest: dict[BandKey, Result] = {}
        self._looked_up: set[BandKey] = set()
        self.requested: Callable[[], None] = nothing  # hears when somebody made the file that asks
        self._thread = WorkerThread(
            "explainer",
            worker,
            next_job=self._next_job,
            ended=self._ended,
            most_seconds=settings.most_seconds,
            slot=slot,
            prepare=self._prepare,
            monotonic_seconds=monotonic_seconds,
        )

    # ---- the loop's -----------------------------------------------------------------------------------

    def seen(self, labels: Labels, windows: Sequence[Window], assignments: Sequence[Assignment]) -> None:
        """Windows of one moment and the labels they were given."""
        known = self._of(labels)
        if known is None:
            return
        known.labels = labels
        known.reservoir.measure(labels.geometry)
        for window, assignment in zip(windows, assignments, strict=True):
            known.reservoir.add(window, assignment.cluster)
        self._reports.explanation_windows(labels.node, labels.band, known.reservoir.windows)

    def take(self, item: Output) -> None:
        """A sink: verdicts that become `novel` ask for a refresh."""
        if not isinstance(item, Verdict):
            return
        known = self._known.get((item.node, item.band))
        if known is None:
            return
        if item.state != "novel":
            known.novel.discard(item.segment)
        elif item.segment not in known.novel:
            known.novel.add(item.segment)
            self.ask(item.node, item.band, NOVEL)

    def ask(self, node: str, band: str, reason: str) -> bool:
        """Want a refresh as soon as the worker is free; False, and counted, where it is skipped."""
        with self._lock:
            taken = self._schedule.ask((node, band), reason)
        if not taken:
            self._reports.explanation_skipped(node, band, "busy")
        return taken

    def finished(self) -> list[tuple[BandKey, str, Result]]:
        """Refreshes that have succeeded since the last call: band, why it was asked for, and what it gave."""
        found: list[tuple[BandKey, str, Result]] = []
        while self._made:
            found.append(self._made.popleft())
        return found

    def listed(self) -> list[dict[str, object]]:
        """The newest explanation of each band, as JSON has it; from any thread."""
        return [
            {"node": node, "band": band, **asdict(result)}
            for (node, band), result in sorted(self.newest.copy().items())
        ]

    def _of(self, labels: Labels) -> _Known | None:
        band = (labels.node, labels.band)
        known = self._known.get(band)
        if known is None and band not in self._without_room:
            reservoir = Reservoir(self._settings.most_windows)
            taken_bytes = sum(each.reservoir.size_bytes for each in self._known.values())
            if self._known and taken_bytes + reservoir.size_bytes > MOST_RESERVOIR_BYTES:
                self._without_room.add(band)
                self._reports.bad_input(
                    f"{labels.node}/{labels.band}: no explanations: reservoirs of {len(self._known)} bands "
                    f"take {taken_bytes >> 20} MiB; limit: {MOST_RESERVOIR_BYTES >> 20} MiB "
                    "(explain.most_windows)"
                )
                return None
            known = _Known(reservoir, labels, set(), reservoir.most_windows)
            with self._lock:
                self._known[band] = known
                self._schedule.know(band)
        return known

    # ---- the thread's ---------------------------------------------------------------------------------

    def _prepare(self) -> None:
        tidy_jobs(self._folder)
        with suppress(OSError):  # where people ask for a refresh; a job says it if the disk refuses
            new_folder(self._folder)

    def _next_job(self) -> Handed | None:
        self._recall()
        self._look_for_requests()
        with self._lock:
            wanted = self._schedule.take()
        if wanted is None:
            return None
        if (handed := self._job_of(*wanted)) is None:
            with self._lock:
                self._schedule.done(again_soon=True)
        return handed

    def _look_for_requests(self) -> None:
        try:
            (self._folder / REQUEST_FILE).unlink()
        except OSError:  # most often there is none
            return
        self.requested()
        for band in tuple(self._known):
            self.ask(*band, REQUEST)

    def _job_of(self, band: BandKey, reason: str) -> Handed | None:
        """A job that is written; None where that cannot be, which is counted."""
        known = self._known.get(band)
        labels = None if known is None else known.labels
        model = None if labels is None else labels.model
        if known is None or labels is None or model is None or labels.geometry is None:
            self._reports.explanation_skipped(*band, "warming_up")
            return None
        if known.reservoir.windows < WINDOWS_A_CLUSTER * model.cluster_count:
            self._reports.explanation_skipped(*band, "warming_up")
            return None
        bundle = labels.bundle
        job = Job(
            node=band[0],
            band=band[1],
            bundle=str(bundle.path),
            bundle_hash=bundle.hash,
            output=str(self._published.of(band, labels)),
            cache=str(self._directory),
            reason=reason,
            most_windows=known.at_most,
        )
        needed_bytes = self._keep_free_bytes + known.reservoir.size_bytes
        try:
            if (refusal := no_room(self._directory, needed_bytes)) is not None:
                self._reports.explanation_failed(*band, "disk", refusal)
                return None
            folder = new_job(self._folder, job, model, known.reservoir)
        except BadInput as refusal:
            self._reports.explanation_failed(*band, "refused", str(refusal))
            return None
        except OSError as error:
            self._reports.explanation_failed(*band, "disk", f"{self._folder}: {error.strerror or error}")
            return None
        return Handed(folder, band, reason)

    def _recall(self) -> None:
        """What was published before the start is the newest of its band until there is a newer one."""
        new = [(band, known) for band, known in tuple(self._known.items()) if band not in self._looked_up]
        for band, known in new:
            self._looked_up.add(band)
            if (result := self._published.recall(band, known.labels)) is not None:
                self.newest[band] = result
        if new:
            self._let_go()

    def _let_go(self) -> None:
        """Of bundles that nobody uses any more."""
        in_use = [known.labels for known in tuple(self._known.values())]
        self._published.keep(in_use, self.newest.values())

    def _ended(self, handed: Handed, lasted_seconds: float, failure: Failure | None) -> None:
        if failure is None:
            self._succeed(handed, lasted_seconds)
        else:
            self._reports.explanation_failed(*handed.band, *failure)
            if failure[0] == "timeout":
                self._fewer(self._known[handed.band])
        with self._lock:
            self._schedule.done()

    def _succeed(self, handed: Handed, lasted_seconds: float) -> None:
        try:
            result = read_result(handed.folder)
        except BadInput as refusal:
            self._reports.explanation_failed(*handed.band, "error", str(refusal))
            return
        self.newest[handed.band] = result
        known = self._known[handed.band]
        known.at_most = min(2 * known.at_most, known.reservoir.most_windows)
        self._made.append((handed.band, handed.reason, result))
        self._let_go()
        self._reports.explanation_made(
            *handed.band,
            reason=handed.reason,
            made_ns=result.made_ns,
            seconds={**result.seconds, "all": lasted_seconds},
            fidelity=result.fidelity,
            depth=result.depth,
            windows=result.windows,
            folder=result.folder,
        )

    def _fewer(self, known: _Known) -> None:
        """A processor that is too busy for all windows may have time for half of them."""
        model = known.labels.model
        least = WINDOWS_A_CLUSTER * (model.cluster_count if model is not None else 1)
        known.at_most = max(min(known.at_most, known.reservoir.windows) // 2, least)
