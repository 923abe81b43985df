"""What happens in the agent becomes metrics and log lines: one function an event."""

from __future__ import annotations

import math
import platform
import re
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from prometheus_client import CollectorRegistry, Histogram, disable_created_metrics
from structlog.typing import FilteringBoundLogger

from ..models.contest import Score
from ..pipeline.frames import (
    NS_PER_S,
    Assignment,
    Forecast,
    Gap,
    LevelledRow,
    Verdict,
)
from .logs import LineLimit
from .metric_table import MOST_CLUSTERS, MOST_SEGMENTS
from .outputs import Discarded, Fitted, Named, Output, Unfitted
from .series import STATES, BandSeries, Metrics
from .step_means import step_means

_BAD_STATES = ("novel", "deviating")


class Telemetry:
    """Sink of everything the route puts out, and what its surroundings report.

    Metrics of `metric_table.METRICS` are registered in `registry`. A line is logged only for what a person
    should see: gaps, changes of verdict, models, refused messages; of one kind at most one in five
    seconds. Safe to call from several threads.
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
        self._events: dict[type, Callable[[Any], None]] = {
            LevelledRow: self._row_levelled,
            Gap: self._gap_found,
            Discarded: self._windows_discarded,
            Assignment: self._window_assigned,
            Forecast: self._forecast_made,
            Score: self._forecast_scored,
            Verdict: self._verdict_given,
            Fitted: self._model_fitted,
            Unfitted: self._model_dropped,
            Named: self._clusters_named,
        }

    def take(self, item: Output) -> None:
        """Count one output of the route."""
        self._events[type(item)](item)

    # ---- from the route -----------------------------------------------------------------------------

    def _row_levelled(self, row: LevelledRow) -> None:
        frame = row.frame
        band = self._band(frame.node, frame.band)
        if len(frame.power_db) != band.bins or frame.center_hz != band.center_hz:
            band.take_geometry(len(frame.power_db), frame.center_hz)
        band.last_frame.set(frame.time_ns / NS_PER_S)
        band.noise_floor.set(row.noise_floor_db)
        band.occupancy.set(row.occupancy_ratio)
        if frame.unit[:4] == "dBFS":
            band.set_input_level(row.level_db)

    def _gap_found(self, gap: Gap) -> None:
        metrics, at = self._metrics, (gap.node, gap.band, gap.reason)
        self._band(gap.node, gap.band)
        metrics.counter("gaps_total").labels(*at).inc()
        metrics.counter("frames_lost_total").labels(*at).inc(gap.lost_rows or 0)
        metrics.counter("samples_lost_total").labels(*at).inc(gap.lost_samples or 0)
        self._line(
            "warning",
            "gap",
            ("gap", *at),
            node=gap.node,
            band=gap.band,
            reason=gap.reason,
            lost_rows=gap.lost_rows,
            lost_samples=gap.lost_samples,
            at=_utc(gap.time_ns),
        )

    def _windows_discarded(self, discarded: Discarded) -> None:
        at = (discarded.node, discarded.band, discarded.reason)
        self._band(discarded.node, discarded.band)
        self._metrics.counter("windows_discarded_total").labels(*at).inc(discarded.windows)

    def _window_assigned(self, assignment: Assignment) -> None:
        band = self._band(assignment.node, assignment.band)
        at = (assignment.node, assignment.band, assignment.segment)
        band.windows.inc()
        if assignment.cluster is not None and assignment.cluster < MOST_CLUSTERS:
            band.cluster(assignment.cluster).inc()
        if assignment.segment < MOST_SEGMENTS:
            self._metrics.gauge("cluster").labels(*at).set(_or_nan(assignment.cluster))
            self._metrics.gauge("novelty_ratio").labels(*at).set(_or_nan(assignment.novelty))

    def _forecast_made(self, forecast: Forecast) -> None:
        band = self._band(forecast.node, forecast.band)
        for step, level_db in enumerate(step_means(forecast.mean), start=1):
            self._metrics.gauge("band_forecast_db").labels(forecast.node, forecast.band, step).set(level_db)
        if (was := band.use_model("forecast", forecast.model)) != forecast.model:
            self._line(
                "info",
                "forecaster chosen" if was is None else "forecaster switched",
                ("forecaster", forecast.node, forecast.band),
                node=forecast.node,
                band=forecast.band,
                model=forecast.model,
                was=was,
                at=_utc(forecast.made_ns),
            )

    def _forecast_scored(self, score: Score) -> None:
        metrics, at = self._metrics, (score.node, score.band)
        if not math.isfinite(score.mae_db):
            return
        scores = self._band(*at).scores
        scores.add(score)
        metrics.histogram("forecast_abs_error_db").labels(*at, score.horizon).observe(score.mae_db)
        metrics.gauge("forecast_rmse_db").labels(*at, score.horizon).set(scores.rmse_db(score.horizon))
        metrics.gauge("forecast_skill_ratio").labels(*at).set(scores.skill_ratio())
        metrics.gauge("forecast_coverage_ratio").labels(*at).set(scores.coverage_ratio())

    def _verdict_given(self, verdict: Verdict) -> None:
        band = self._band(verdict.node, verdict.band)
        was = band.states.get(verdict.segment)
        if was == verdict.state:
            return
        band.states[verdict.segment] = verdict.state
        for state in STATES if verdict.segment < MOST_SEGMENTS else ():
            at = (verdict.node, verdict.band, verdict.segment, state)
            self._metrics.gauge("verdict").labels(*at).set(state == verdict.state)
        if verdict.state not in _BAD_STATES and was not in _BAD_STATES:
            return
        self._line(
            "warning" if verdict.state in _BAD_STATES else "info",
            "verdict changed",
            ("verdict", verdict.node, verdict.band, verdict.segment),
            node=verdict.node,
            band=verdict.band,
            segment=verdict.segment,
            state=verdict.state,
            was=was,
            score=round(verdict.score, 4) if math.isfinite(verdict.score) else None,
            reasons="; ".join(verdict.reasons),
            at=_utc(verdict.time_ns),
        )

    def _model_fitted(self, fitted: Fitted) -> None:
        band = self._band(fitted.node, fitted.band)
        band.forget_clusters()
        for cluster in range(min(fitted.clusters, MOST_CLUSTERS)):
            band.cluster(cluster)
        band.use_model("activity", fitted.model)
        self._log.info(
            "band model fitted" if fitted.windows else "band model loaded",
            node=fitted.node,
            band=fitted.band,
            windows=fitted.windows,
            clusters=fitted.clusters,
            model=fitted.model,
        )

    def _model_dropped(self, unfitted: Unfitted) -> None:
        band = self._band(unfitted.node, unfitted.band)
        band.forget_clusters()
        band.drop_model("activity")
        self._log.info("band model dropped", node=unfitted.node, band=unfitted.band)

    def _clusters_named(self, named: Named) -> None:
        self._band(named.node, named.band).name_clusters(named.names)

    # ---- from its surroundings ----------------------------------------------------------------------

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

    def reloaded(self, taken: list[str], kept: list[str]) -> None:
        """Settings were read again: which hold now, and which would need a restart."""
        self._log.info("settings read again", taken=taken)
        if kept:
            self._log.warning("needs a restart", kept=kept)

    def reload_refused(self, message: str) -> None:
        """Settings or a bundle were to be read again and cannot be used."""
        self._log.error("reload refused", message=message)

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

    # ---- behind them --------------------------------------------------------------------------------

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


def _or_nan(value: float | None) -> float:
    return math.nan if value is None else value


def _utc(time_ns: int) -> str:
    return datetime.fromtimestamp(time_ns / NS_PER_S, UTC).isoformat(timespec="milliseconds")
