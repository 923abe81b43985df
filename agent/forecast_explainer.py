"""Maps of what a running agent's forecasters look at: when they are due, one worker, what came of it."""

from __future__ import annotations

import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from ..config.schema import Settings
from ..explain.published import newest_of, tidy
from ..explain.published_map import LEAST_WINDOWS, MOST_WINDOWS, PublishedMap, read_map
from ..pipeline.errors import BadInput
from ..pipeline.frames import Verdict
from .explain_job import no_room, tidy_jobs
from .explain_schedule import DEVIATING, NOVEL, REQUEST, BandKey, ExplainSchedule
from .forecast_map_job import MAPS_FOLDER, ForecastMapJob, map_folder, new_map_job, read_map_result
from .forecaster_in_use import ForecasterInUse
from .outputs import Output
from .reports import Reports
from .route import BandRoute
from .routes import dc_bins_of
from .worker_running import Failure
from .worker_slot import WorkerSlot
from .worker_thread import Handed, HasWorkers, WorkerThread

WORKER = (sys.executable, "-m", f"{__package__}.forecast_map_worker")
VERDICT_SECONDS = 600.0
ROOM_BYTES = 64 * 1024 * 1024


@dataclass(slots=True)
class _Known:
    """Of a band: what it forecasts by since the forecast of `made_ns`; what each segment's bad state is."""

    in_use: ForecasterInUse
    made_ns: int
    states: dict[int, str] = field(default_factory=dict)
    most_windows: int = MOST_WINDOWS


class ForecastExplainer(HasWorkers):
    """Has a worker map what each band's forecaster looked at in the last `explain.forecast_hours` hours: on
    the period, on `ask_all`, and when a segment's verdict becomes `novel` or `deviating`.

    `between_rows` and `take` never wait: they are the loop's. Files and the worker are a thread's
    (`WorkerThread`). A band that waits for the worker, or that it is at, takes no other request, which is
    counted as skipped. A worker that is killed, fails or takes too long costs this one map; what was
    published before stays.
    """

    def __init__(
        self,
        settings: Settings,
        directory: Path,
        reports: Reports,
        *,
        monotonic_seconds: Callable[[], float] = time.monotonic,
        worker: Sequence[str] = WORKER,
        slot: WorkerSlot | None = None,
    ) -> None:
        self._settings = settings
        self._directory = directory
        self._folder = directory / MAPS_FOLDER
        self._reports = reports
        self._schedule = ExplainSchedule(
            settings.explain.period_seconds,
            verdict_seconds=VERDICT_SECONDS,
            monotonic_seconds=monotonic_seconds,
        )
        self._lock = threading.Lock()  # of the schedule
        self._known: dict[BandKey, _Known] = {}
        self._looked_up: set[BandKey] = set()
        self._made: deque[tuple[BandKey, str, PublishedMap]] = deque(maxlen=64)
        self.newest: dict[BandKey, PublishedMap] = {}
        self._thread = WorkerThread(
            "forecast-explainer",
            worker,
            next_job=self._next_job,
            ended=self._ended,
            most_seconds=settings.explain.most_seconds,
            slot=slot,
            prepare=lambda: tidy_jobs(self._folder),
            monotonic_seconds=monotonic_seconds,
        )

    # ---- the loop's -----------------------------------------------------------------------------------

    def between_rows(self, routes: Iterable[BandRoute]) -> None:
        """See what each band forecasts by; a band that has a forecast is due from then on."""
        for route in routes:
            made_ns = route.forecast_made_ns
            known = self._known.get((route.node, route.band))
            if made_ns is None or (known is not None and known.made_ns == made_ns):
                continue
            in_use = route.forecaster_in_use
            if in_use is None:
                continue
            if known is not None:
                known.in_use, known.made_ns = in_use, made_ns
                continue
            with self._lock:
                self._known[route.node, route.band] = _Known(in_use, made_ns)
                self._schedule.know((route.node, route.band))

    def take(self, item: Output) -> None:
        """A sink: verdicts that become `novel` or `deviating` ask for a map."""
        if not isinstance(item, Verdict):
            return
        known = self._known.get((item.node, item.band))
        if known is None:
            return
        if item.state not in (NOVEL, DEVIATING):
            known.states.pop(item.segment, None)
        elif known.states.get(item.segment) != item.state:
            known.states[item.segment] = item.state
            self._ask((item.node, item.band), item.state)

    def ask_all(self) -> None:
        """Somebody wants maps of all bands as soon as the worker is free; from any thread."""
        for band in tuple(self._known):
            self._ask(band, REQUEST)

    def finished(self) -> list[tuple[BandKey, str, PublishedMap]]:
        """Maps published since the last call: band, why it was asked for, and what it says."""
        found: list[tuple[BandKey, str, PublishedMap]] = []
        while self._made:
            found.append(self._made.popleft())
        return found

    def listed(self) -> list[dict[str, object]]:
        """The newest map of each band, as JSON has it; from any thread."""
        return [
            {"node": node, "band": band, **asdict(found)}
            for (node, band), found in sorted(self.newest.copy().items())
        ]

    def _ask(self, band: BandKey, reason: str) -> None:
        with self._lock:
            taken = self._schedule.ask(band, reason)
        if not taken:
            self._reports.forecast_map_skipped(*band, "busy")

    # ---- the thread's ---------------------------------------------------------------------------------

    def _next_job(self) -> Handed | None:
        self._recall()
        with self._lock:
            wanted = self._schedule.take()
        if wanted is None:
            return None
        handed = self._job_of(*wanted)
        if handed is None:
            self._done(again_soon=True)
        return handed

    def _recall(self) -> None:
        """What was published before the start is the newest of its band until there is a newer one."""
        for band in tuple(self._known):
            if band in self._looked_up:
                continue
            self._looked_up.add(band)
            folder = map_folder(self._directory, *band)
            published = newest_of(folder)
            if published is None:
                continue
            try:
                found = read_map(published)
                tidy(folder)  # what a kill left half written
            except BadInput as refusal:
                self._reports.bad_input(str(refusal))
                continue
            except OSError as error:
                self._reports.bad_input(f"{folder}: {error.strerror or error}")
                continue
            self.newest[band] = found
            self._tell(band, found)

    def _job_of(self, band: BandKey, reason: str) -> Handed | None:
        """A job that is written; None where that cannot be, which is counted."""
        settings, known = self._settings.band(band[1]), self._known[band]
        job = ForecastMapJob(
            directory=str(self._directory),
            node=band[0],
            band=band[1],
            mask_hz=[list(each) for each in settings.mask.ranges_hz],
            dc_bins=dc_bins_of(settings),
            step_seconds=settings.history.step_seconds,
            hours=self._settings.explain.forecast_hours,
            most_windows=known.most_windows,
            reason=reason,
            in_use=known.in_use,
        )
        try:
            needed_bytes = self._settings.store.keep_free_bytes + ROOM_BYTES
            if (refusal := no_room(self._directory, needed_bytes)) is not None:
                self._reports.forecast_map_failed(*band, "disk", refusal)
                return None
            return Handed(new_map_job(self._folder, job), band, reason)
        except OSError as error:
            self._reports.forecast_map_failed(*band, "disk", f"{self._folder}: {error.strerror or error}")
            return None

    def _ended(self, handed: Handed, lasted_seconds: float, failure: Failure | None) -> None:
        band, known = handed.band, self._known[handed.band]
        is_early = False
        if failure is None:
            is_early = not self._succeed(handed, lasted_seconds)
        else:
            self._reports.forecast_map_failed(*band, *failure)
            if failure[0] == "timeout":  # it may have time for half of them
                known.most_windows = max(known.most_windows // 2, 2 * LEAST_WINDOWS)
        self._done(again_soon=is_early)

    def _succeed(self, handed: Handed, lasted_seconds: float) -> bool:
        """False where there are too few steps yet."""
        band, known = handed.band, self._known[handed.band]
        try:
            published = read_map_result(handed.folder)
            found = None if published is None else read_map(published)
        except BadInput as refusal:
            self._reports.forecast_map_failed(*band, "error", str(refusal))
            return True
        if found is None:
            self._reports.forecast_map_skipped(*band, "warming_up")
            return False
        known.most_windows = min(2 * known.most_windows, MOST_WINDOWS)
        self.newest[band] = found
        self._looked_up.add(band)
        self._made.append((band, handed.reason, found))
        self._tell(band, found)
        self._reports.forecast_map_made(
            *band,
            reason=handed.reason,
            model=found.model,
            measure=found.measure,
            windows=found.windows,
            seconds=lasted_seconds,
            sentence=found.sentence,
            folder=found.folder,
        )
        return True

    def _tell(self, band: BandKey, found: PublishedMap) -> None:
        self._reports.forecast_map_found(
            *band,
            made_ns=found.made_ns,
            tenth_ratio=found.tenth_ratio,
            newest_ratio=found.newest_ratio,
            ranges=[((low_hz + high_hz) / 2, share) for low_hz, high_hz, share in found.ranges],
        )

    def _done(self, *, again_soon: bool) -> None:
        with self._lock:
            self._schedule.done(again_soon=again_soon)
