"""Re-fits of a running agent's default forecasters: when they are due, one worker, what came of it."""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..config.schema import Band, Settings
from ..models.forecast_fit import Fit
from ..pipeline.errors import BadInput
from .explain_job import no_room
from .fits import FITS_FOLDER, Fits
from .mutings import Tells
from .notes import REFIT
from .refit_job import RefitJob, new_refit_job, read_refit_result, tidy_refit_jobs
from .reports import Reports
from .route import BandRoute
from .routes import dc_bins_of
from .worker_running import Failure
from .worker_slot import WorkerSlot
from .worker_thread import Handed, HasWorkers, WorkerThread

WORKER = (sys.executable, "-m", f"{__package__}.refit_worker")
FIRST_SECONDS = 300.0
AGAIN_SECONDS = 1800.0
ROOM_BYTES = 64 * 1024 * 1024

BandKey = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Refitted:
    """A new fit of a band that is ready to be used, made in so many seconds."""

    node: str
    band: str
    key: str
    seconds: float


class Refitter(HasWorkers):
    """Has a worker fit the bands' default forecasters on what is stored, each on its period.

    `between_rows` is the loop's, and never waits; files and the worker are a thread's (`WorkerThread`). A
    band is first due five minutes after it came, or once its fit is a period old; half an hour later where
    there were too few steps or the re-fit failed. A worker that is killed, fails or takes too long costs this
    one re-fit.
    """

    def __init__(
        self,
        settings: Settings,
        directory: Path,
        fits: Fits,
        reports: Reports,
        *,
        monotonic_seconds: Callable[[], float] = time.monotonic,
        utc_ns: Callable[[], int] = time.time_ns,
        worker: Sequence[str] = WORKER,
        slot: WorkerSlot | None = None,
    ) -> None:
        self._settings = settings
        self._period_seconds = settings.forecast.refit_hours * 3600
        self._directory = directory
        self._folder = directory / FITS_FOLDER
        self._fits = fits
        self._reports = reports
        self._monotonic_seconds = monotonic_seconds
        self._utc_ns = utc_ns
        self._due_seconds: dict[BandKey, float] = {}
        self._in_use: dict[BandKey, Fit | None] = {}
        self._made: deque[Refitted] = deque(maxlen=256)
        self._thread = WorkerThread(
            "refitter",
            worker,
            next_job=self._next_job,
            ended=self._ended,
            most_seconds=settings.forecast.refit_most_seconds,
            slot=slot,
            prepare=lambda: tidy_refit_jobs(self._folder),
            monotonic_seconds=monotonic_seconds,
        )

    # ---- the loop's -----------------------------------------------------------------------------------

    def between_rows(self, routes: Iterable[BandRoute], tell: Tells) -> None:
        """Use the fits that have become ready; `tell` records them: from these events a restart has them."""
        there = {(route.node, route.band): route for route in routes}
        while self._made:
            made = self._made.popleft()
            route = there.get((made.node, made.band))
            if route is not None:
                self._put_to_use(made, route, tell)
        for at, route in there.items():
            if at not in self._in_use:
                self._know(at, route.fit)
            elif route.fit is None and self._in_use[at] is not None:
                self._again_soon(at)  # other frequencies, another unit
            self._in_use[at] = route.fit

    def _know(self, at: BandKey, in_use: Fit | None) -> None:
        """A band has come, with the fit that it had before a restart."""
        wait_seconds = min(FIRST_SECONDS, self._period_seconds)
        if in_use is not None:
            age_seconds = max(0.0, (self._utc_ns() - in_use.made_ns) / 1e9)
            wait_seconds = max(wait_seconds, self._period_seconds - age_seconds)
            self._reports.fit_in_use(
                *at,
                made_ns=in_use.made_ns,
                rmse_db=in_use.rmse_db,
                repeat_last_rmse_db=in_use.repeat_last_rmse_db,
            )
        self._in_use[at] = in_use
        self._due_seconds[at] = self._monotonic_seconds() + wait_seconds

    def _put_to_use(self, made: Refitted, route: BandRoute, tell: Tells) -> None:
        try:
            route.use_fit(made.key)
        except BadInput as refusal:
            self._reports.refit_failed(made.node, made.band, "refused", str(refusal))
            self._again_soon((made.node, made.band))
            return
        fit = route.fit
        assert fit is not None
        errors = {"rmse_db": fit.rmse_db, "repeat_last_rmse_db": fit.repeat_last_rmse_db}
        tell(REFIT, made.node, made.band, fit=made.key, steps=fit.steps, **errors)
        self._reports.refit_made(
            made.node,
            made.band,
            fit=made.key,
            made_ns=fit.made_ns,
            seconds=made.seconds,
            steps=fit.steps,
            **errors,
        )

    # ---- the thread's ---------------------------------------------------------------------------------

    def _next_job(self) -> Handed | None:
        due = min(self._due_seconds.copy().items(), key=lambda each: each[1], default=None)
        now_seconds = self._monotonic_seconds()
        if due is None or due[1] > now_seconds:
            return None
        self._due_seconds[due[0]] = now_seconds + self._period_seconds
        handed = self._job_of(due[0])
        if handed is None:
            self._again_soon(due[0])
        return handed

    def _job_of(self, at: BandKey) -> Handed | None:
        """A job that is written; None where that cannot be, which is counted."""
        settings, in_use = self._settings.band(at[1]), self._in_use[at]
        job = self._job(at, settings, None if in_use is None else in_use.key)
        try:
            needed_bytes = self._settings.store.keep_free_bytes + ROOM_BYTES
            if (refusal := no_room(self._directory, needed_bytes)) is not None:
                self._reports.refit_failed(*at, "disk", refusal)
                return None
            return Handed(new_refit_job(self._folder, job), at, "period")
        except OSError as error:
            self._reports.refit_failed(*at, "disk", f"{self._folder}: {error.strerror or error}")
            return None

    def _job(self, at: BandKey, settings: Band, in_use: str | None) -> RefitJob:
        return RefitJob(
            directory=str(self._directory),
            node=at[0],
            band=at[1],
            mask_hz=[list(each) for each in settings.mask.ranges_hz],
            dc_bins=dc_bins_of(settings),
            step_seconds=settings.history.step_seconds,
            days=self._settings.forecast.refit_days,
            seed=self._settings.models.seed,
            in_use=in_use,
        )

    def _ended(self, handed: Handed, lasted_seconds: float, failure: Failure | None) -> None:
        if failure is None:
            self._take(handed, lasted_seconds)
        else:
            self._reports.refit_failed(*handed.band, *failure)
            self._again_soon(handed.band)

    def _take(self, handed: Handed, lasted_seconds: float) -> None:
        at = handed.band
        try:
            result = read_refit_result(handed.folder)
            if result.key is not None:
                self._fits.load(*at, result.key)  # so that the loop need not
        except BadInput as refusal:
            self._reports.refit_failed(*at, "error", str(refusal))
            self._again_soon(at)
            return
        if result.key is not None:
            self._made.append(Refitted(*at, result.key, lasted_seconds))
            self._fits.tidy(*at)
            return
        self._reports.refit_skipped(*at, result.outcome)
        if result.outcome == "too_few_steps":
            self._again_soon(at, result.wait_seconds)

    def _again_soon(self, at: BandKey, wait_seconds: float | None = None) -> None:
        """After half an hour, or a period or what is to be waited for if that is shorter."""
        shortest_seconds = AGAIN_SECONDS if wait_seconds is None else min(wait_seconds, AGAIN_SECONDS)
        soon_seconds = self._monotonic_seconds() + min(shortest_seconds, self._period_seconds)
        self._due_seconds[at] = min(self._due_seconds[at], soon_seconds)
