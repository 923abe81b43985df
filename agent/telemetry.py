"""What happens in the agent becomes metrics and log lines: one function an event."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from prometheus_client import CollectorRegistry
from structlog.typing import FilteringBoundLogger

from ..models.drift import DRIFTING_FROM, DRIFTING_UNTIL, Drift
from ..models.scoring import Score
from ..models.standings import ForecasterChange
from ..pipeline.frames import (
    NS_PER_S,
    Assignment,
    Forecast,
    Gap,
    LevelledRow,
    Verdict,
)
from .deviation import Deviation
from .metric_table import MOST_CLUSTERS, MOST_SEGMENTS
from .outputs import Discarded, Fitted, Named, Output, Unfitted
from .reports import Reports
from .series import STATES
from .step_means import step_means

_BAD_STATES = ("novel", "deviating")


class Telemetry(Reports):
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
        super().__init__(registry, log, monotonic_seconds=monotonic_seconds)
        self._events: dict[type, Callable[[Any], None]] = {
            LevelledRow: self._row_levelled,
            Gap: self._gap_found,
            Discarded: self._windows_discarded,
            Assignment: self._window_assigned,
            Drift: self._drift_found,
            Forecast: self._forecast_made,
            ForecasterChange: self._forecaster_changed,
            Score: self._forecast_scored,
            Verdict: self._verdict_given,
            Deviation: self._deviated,
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

    def _drift_found(self, drift: Drift) -> None:
        self._band(drift.node, drift.band).drift.set(drift.ratio)
        if drift.crossed:
            self._line(
                "warning" if drift.drifting else "info",
                "band drifts" if drift.drifting else "band drifts no longer",
                ("drift", drift.node, drift.band, drift.drifting),
                node=drift.node,
                band=drift.band,
                ratio=round(drift.ratio, 4),
                limit=DRIFTING_FROM if drift.drifting else DRIFTING_UNTIL,
                at=_utc(drift.time_ns),
            )

    def _forecast_made(self, forecast: Forecast) -> None:
        band = self._band(forecast.node, forecast.band)
        for step, level_db in enumerate(step_means(forecast.mean), start=1):
            self._metrics.gauge("band_forecast_db").labels(forecast.node, forecast.band, step).set(level_db)
        for step, idle in enumerate([] if forecast.idle is None else step_means(forecast.idle), start=1):
            self._metrics.gauge("idle_probability_ratio").labels(forecast.node, forecast.band, step).set(idle)
        if band.use_model("forecast", forecast.model) is None:
            self._line(
                "info",
                "forecaster chosen",
                ("forecaster", forecast.node, forecast.band),
                node=forecast.node,
                band=forecast.band,
                model=forecast.model,
                at=_utc(forecast.made_ns),
            )

    def _forecaster_changed(self, change: ForecasterChange) -> None:
        self._band(change.node, change.band).forecaster_changes.inc()
        self._line(
            "info",
            "forecaster switched",
            ("forecaster", change.node, change.band),
            node=change.node,
            band=change.band,
            model=change.model,
            was=change.was,
            rmse_db=_rounded(change.rmse_db),
            was_rmse_db=_rounded(change.was_rmse_db),
            steps=change.steps,
            at=_utc(change.time_ns),
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

    def _deviated(self, deviation: Deviation) -> None:
        if deviation.ended_ns is None:  # the verdict that comes with it makes the line
            self._band(deviation.node, deviation.band).deviations.inc()

    def _model_fitted(self, fitted: Fitted) -> None:
        band = self._band(fitted.node, fitted.band)
        band.forget_clusters()
        for cluster in range(min(fitted.clusters, MOST_CLUSTERS)):
            band.cluster(cluster)
        band.use_model("activity", fitted.model)
        band.drift.set(math.nan)
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
        band.drift.set(math.nan)
        self._log.info("band model dropped", node=unfitted.node, band=unfitted.band)

    def _clusters_named(self, named: Named) -> None:
        self._band(named.node, named.band).name_clusters(named.names)


def _or_nan(value: float | None) -> float:
    return math.nan if value is None else value


def _rounded(value_db: float) -> float | None:
    return round(value_db, 4) if math.isfinite(value_db) else None


def _utc(time_ns: int) -> str:
    return datetime.fromtimestamp(time_ns / NS_PER_S, UTC).isoformat(timespec="milliseconds")
