"""What the surroundings of the routes report becomes metrics and log lines: one function an event."""

from __future__ import annotations

import math
import platform
import re
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from prometheus_client import CollectorRegistry, Histogram, disable_created_metrics
from structlog.typing import FilteringBoundLogger

from .forecast_map_reports import ForecastMapReports
from .logs import LineLimit
from .series import BandSeries, Metrics

EXPLANATION_KINDS = ("tree", "portraits", "attributions")


class Reports(ForecastMapReports):
    """Metrics of `metric_table.METRICS`, registered in `registry`, and log lines: of one kind at most one in
    five seconds. Safe to call from several threads.
    """

    def __init__(
        self,
        registry: CollectorRegistry,
        log: FilteringBoundLogger,
        *,
        monotonic_seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        # Start times of counters double the series for nothing that Prometheus uses by default.
        disable_created_metrics()
        self._log = log
        self._limit = LineLimit(monotonic_seconds=monotonic_seconds)
        self._metrics = Metrics(registry)
        self._bands: dict[tuple[str, str], BandSeries] = {}
        self._lock = threading.Lock()
        self._stages: dict[str, Histogram] = {}
        self._encoder: str | None = None

    def expect(self, node: str, band: str) -> None:
        """A band that is to be heard: its counters stand at 0 from the start, so that silence shows."""
        self._band(node, band)

    def frames_received(self, node: str, band: str, count: int) -> None:
        """`count` rows of a band came in."""
        self._band(node, band).received.inc(count)

    def frame_ignored(self, node: str, band: str, reason: str) -> None:
        """A row came twice, late, or of a stream that another has replaced."""
        self._metrics.counter("frames_ignored_total").labels(node, band, reason).inc()

    def decode_error(self, reason: str, message: str) -> None:
        """A message was refused; `reason` is one of the few the wire knows, `message` says more."""
        self._metrics.counter("decode_errors_total").labels(reason).inc()
        self._line("warning", "message refused", ("decode", reason), reason=reason, message=message)

    def bad_input(self, message: str) -> None:
        """Something given to the agent cannot be used, and it goes on without; `message` says what."""
        # Lines that differ in numbers only are of one kind.
        self._line("warning", "not usable", ("bad_input", re.sub(r"\d+", "0", message)), message=message)

    def stage_timed(self, stage: str, seconds: float) -> None:
        """One call of a stage took so long."""
        timer = self._stages.get(stage)
        if timer is None:
            timer = self._stages[stage] = self._metrics.histogram("stage_duration_seconds").labels(stage)
        timer.observe(seconds)

    def latency(self, node: str, band: str, seconds: float) -> None:
        """A verdict came so long after the end of the last row it rests on."""
        self._metrics.histogram("frame_latency_seconds").labels(node, band).observe(seconds)

    def queue_depth(self, stage: str, depth: int) -> None:
        """So many items wait before a stage."""
        self._metrics.gauge("queue_depth").labels(stage).set(depth)

    def row_stored(self, node: str, band: str) -> None:
        """A row was recorded."""
        self._metrics.counter("store_rows_total").labels(node, band).inc()

    def rows_unrecorded(self, node: str, band: str, rows: int) -> None:
        """Rows could not be recorded."""
        self._metrics.counter("store_unrecorded_rows_total").labels(node, band).inc(rows)

    def store_bytes(self, size_bytes: int) -> None:
        """What the store holds."""
        self._metrics.gauge("store_bytes").set(size_bytes)

    def recording_started(self) -> None:
        """Rows are recorded from now on."""
        self._metrics.gauge("store_recording").set(1)

    def recording_stopped(self, reason: str) -> None:
        """Rows can no longer be recorded; everything else goes on."""
        self._metrics.gauge("store_recording").set(0)
        self._log.error("recording stopped", reason=reason)

    def recording_resumed(self) -> None:
        """Rows are recorded again."""
        self._metrics.gauge("store_recording").set(1)
        self._log.info("recording resumed")

    def explanation_windows(self, node: str, band: str, windows: int) -> None:
        """So many recent windows can be explained from."""
        self._band(node, band).explanation_windows.set(windows)

    def explanation_made(
        self,
        node: str,
        band: str,
        *,
        reason: str,
        made_ns: int,
        seconds: Mapping[str, float],
        fidelity: float | None,
        depth: int,
        windows: int,
        folder: str,
    ) -> None:
        """Explanations were refreshed; `seconds` by kind and of `all`; `fidelity` on unseen windows."""
        self.explanation_found(node, band, made_ns=made_ns, fidelity=fidelity, depth=depth)
        for kind in (*EXPLANATION_KINDS, "all"):
            self._metrics.gauge("explanation_duration_seconds").labels(node, band, kind).set(seconds[kind])
        self._metrics.counter("explanations_made_total").labels(node, band).inc()
        self._log.info(
            "clusters explained",
            node=node,
            band=band,
            reason=reason,
            windows=windows,
            fidelity=None if fidelity is None else round(fidelity, 3),
            depth=depth,
            seconds=round(seconds["all"], 2),
            folder=folder,
        )

    def explanation_found(
        self, node: str, band: str, *, made_ns: int, fidelity: float | None, depth: int
    ) -> None:
        """A band's newest explanation is this one, made now or before the start."""
        metrics, at = self._metrics, (node, band)
        for kind in EXPLANATION_KINDS:
            metrics.gauge("explanation_last_success_timestamp_seconds").labels(*at, kind).set(made_ns / 1e9)
        metrics.gauge("tree_fidelity_ratio").labels(*at).set(math.nan if fidelity is None else fidelity)
        metrics.gauge("tree_depth").labels(*at).set(depth)

    def explanation_skipped(self, node: str, band: str, reason: str) -> None:
        """A refresh was asked for and will not be made."""
        self._metrics.counter("explanations_skipped_total").labels(node, band, reason).inc()

    def explanation_failed(self, node: str, band: str, reason: str, message: str) -> None:
        """A refresh came to nothing; what was published before stays."""
        self._metrics.counter("explanations_failed_total").labels(node, band, reason).inc()
        at = ("explanation", node, band, reason)
        self._line("warning", "not explained", at, node=node, band=band, reason=reason, message=message)

    def explanations_let_go(self, bundle: str) -> None:
        """Nothing uses this bundle any more; what was explained with it is removed."""
        self._log.info("explanations let go", bundle=bundle)

    def refit_made(
        self,
        node: str,
        band: str,
        *,
        fit: str,
        made_ns: int,
        seconds: float,
        steps: int,
        rmse_db: float,
        repeat_last_rmse_db: float,
    ) -> None:
        """A new fit of the default forecaster is in use; errors are on the newest steps, new to it."""
        self._metrics.counter("forecast_refits_total").labels(node, band).inc()
        self.fit_in_use(node, band, made_ns=made_ns, rmse_db=rmse_db, repeat_last_rmse_db=repeat_last_rmse_db)
        self._metrics.gauge("forecast_fit_duration_seconds").labels(node, band).set(seconds)
        self._log.info(
            "forecaster fitted",
            node=node,
            band=band,
            fit=fit,
            steps=steps,
            rmse_db=round(rmse_db, 4),
            repeat_last_rmse_db=round(repeat_last_rmse_db, 4),
            seconds=round(seconds, 2),
        )

    def fit_in_use(
        self, node: str, band: str, *, made_ns: int, rmse_db: float, repeat_last_rmse_db: float
    ) -> None:
        """The default forecaster in use is this fit, made now or before the start."""
        metrics = self._metrics
        metrics.gauge("forecast_fit_timestamp_seconds").labels(node, band).set(made_ns / 1e9)
        skill = 1 - rmse_db / repeat_last_rmse_db if repeat_last_rmse_db > 0 else 0.0
        metrics.gauge("forecast_fit_skill_ratio").labels(node, band).set(skill)

    def refit_skipped(self, node: str, band: str, reason: str) -> None:
        """A re-fit was due and changed nothing."""
        self._metrics.counter("forecast_refits_skipped_total").labels(node, band, reason).inc()

    def refit_failed(self, node: str, band: str, reason: str, message: str) -> None:
        """A re-fit came to nothing; the forecaster stays as it was."""
        self._metrics.counter("forecast_refits_failed_total").labels(node, band, reason).inc()
        at = ("refit", node, band, reason)
        self._line("warning", "not fitted", at, node=node, band=band, reason=reason, message=message)

    def reloaded(self, taken: list[str], kept: list[str]) -> None:
        """Settings were read again: which hold now, and which would need a restart."""
        self._log.info("settings read again", taken=taken)
        if kept:
            self._log.warning("needs a restart", kept=kept)

    def reload_refused(self, message: str) -> None:
        """Settings or a bundle were to be read again and cannot be used."""
        self._log.error("reload refused", message=message)

    def recovering(self, seconds: float) -> None:
        """The start takes long: stored rows are still sent down the routes again."""
        self._log.info("recovering state", seconds=round(seconds))

    def recovered(self, bands: int, rows: int, seconds: float) -> None:
        """The agent is where it was before it stopped."""
        self._log.info("state recovered", bands=bands, rows=rows, seconds=round(seconds, 2))

    def queue_fill(self, stage: str, ratio: float) -> None:
        """The fullest queue before a stage is so full, 0 to 1."""
        self._metrics.gauge("queue_fill_ratio").labels(stage).set(ratio)

    def stride(self, node: str, band: str, rows: int) -> None:
        """A window of a band is cut every so many rows."""
        self._metrics.gauge("stride_rows").labels(node, band).set(rows)

    def stride_changed(self, node: str, band: str, rows: int, *, was: int, fill: float) -> None:
        """It is from now on, the queue before the loop being so full, 0 to 1."""
        self.stride(node, band, rows)
        is_raised = rows > was
        self._line(
            "warning" if is_raised else "info",
            "stride raised" if is_raised else "stride lowered",
            ("stride", node, band, is_raised),
            node=node,
            band=band,
            rows=rows,
            was=was,
            queue_fill=round(fill, 3),
        )

    def windows_shed(self, node: str, band: str, count: int) -> None:
        """So many windows were not looked at because the stride is raised."""
        self._band(node, band).windows_shed.inc(count)

    def bundle_loaded(self, model: str, path: str, device: str) -> None:
        """An encoder was loaded; `model` is its bundle's short hash."""
        info = self._metrics.gauge("model_info")
        if self._encoder is not None:
            info.remove("", "", "encoder", self._encoder)
        self._encoder = model
        info.labels("", "", "encoder", model).set(1)
        self._log.info("models loaded", model=model, path=path, device=device)

    def started(self, version: str) -> None:
        """The agent begins."""
        info = self._metrics.gauge("build_info")
        info.labels("bandwatch", version).set(1)
        info.labels("python", platform.python_version()).set(1)
        self._log.info("started", version=version)

    def stopped(self, reason: str) -> None:
        """The agent ends."""
        self._log.info("stopped", reason=reason, lines_held_back=self._limit.left())

    def _band(self, node: str, band: str) -> BandSeries:
        series = self._bands.get((node, band))
        if series is None:
            with self._lock:
                series = self._bands.get((node, band)) or BandSeries(self._metrics, node, band)
                self._bands[node, band] = series
        return series

    def _line(self, level: str, event: str, kind: tuple[object, ...], **facts: Any) -> None:
        held_back = self._limit.admit(kind)
        if held_back is None:
            return
        if held_back:
            facts["held_back"] = held_back
        getattr(self._log, level)(event, **facts)
