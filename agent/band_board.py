"""One band's part of the status board."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from ..models.drift import Drift
from ..models.scoring import Score
from ..pipeline.frames import NS_PER_S, Assignment, Forecast, Gap, LevelledRow, PsdFrame, Verdict
from ..pipeline.windows import WINDOW_BINS, segment_starts
from .band_status import (
    BandStatus,
    ForecastStatus,
    LossStatus,
    SegmentStatus,
    SpectrumStatus,
    WarmingStatus,
)
from .outputs import Discarded, Fitted, Named
from .recent_scores import RecentScores
from .row_rate import RowRate
from .step_means import step_means

LEAST_SILENCE_SECONDS = 10.0
SILENCE_ROWS = 5
SPECTRUM_POINTS = 256


@dataclass(slots=True)
class _Segment:
    low_hz: float
    high_hz: float
    windows: int = 0
    newest: Assignment | None = None
    verdict: Verdict | None = None


@dataclass(slots=True)
class _Loss:
    gaps: int = 0
    rows: int = 0
    samples: int = 0
    windows: int = 0


@dataclass(slots=True)
class _Counts:
    windows: int = 0
    forecasts: int = 0
    losses: dict[str, _Loss] = field(default_factory=dict)

    def loss(self, reason: str) -> _Loss:
        return self.losses.setdefault(reason, _Loss())


class BandBoard:
    """What is known of one band; its owner sees to it that one thread at a time asks or tells."""

    def __init__(self, node: str, band: str, now_seconds: float) -> None:
        self._node = node
        self._band = band
        self._heard_seconds = now_seconds
        self._rate = RowRate()
        self._counts = _Counts()
        self._geometry: tuple[int, float, float] | None = None
        self._segments: list[_Segment] = []
        self._scores = RecentScores()
        self._row: LevelledRow | None = None
        self._forecast: Forecast | None = None
        self._warm = False
        self._warming: WarmingStatus | None = None
        self._model: str | None = None
        self._clusters: int | None = None
        self._drift: Drift | None = None
        self._names: dict[int, str] = {}

    @property
    def rows(self) -> int:
        return self._rate.rows

    @property
    def row_seconds(self) -> float:
        return self._row.frame.duration_ns / NS_PER_S if self._row is not None else 0.0

    def row(self, row: LevelledRow, now_seconds: float) -> None:
        self._rate.count(now_seconds)
        self._heard_seconds = now_seconds
        self._row = row
        frame = row.frame
        geometry = (len(frame.power_db), frame.center_hz, frame.bin_hz)
        if geometry != self._geometry:
            self._take_geometry(frame)
            self._geometry = geometry

    def gap(self, gap: Gap) -> None:
        loss = self._counts.loss(gap.reason)
        loss.gaps += 1
        loss.rows += gap.lost_rows or 0
        loss.samples += gap.lost_samples or 0

    def discarded(self, discarded: Discarded) -> None:
        self._counts.loss(discarded.reason).windows += discarded.windows

    def assignment(self, assignment: Assignment) -> None:
        self._counts.windows += 1
        self._warm = assignment.cluster is not None
        self._model = assignment.model if self._warm else None
        if assignment.segment < len(self._segments):
            segment = self._segments[assignment.segment]
            segment.windows += 1
            segment.newest = assignment

    def drift(self, drift: Drift) -> None:
        self._drift = drift

    def verdict(self, verdict: Verdict) -> None:
        if verdict.segment < len(self._segments):
            self._segments[verdict.segment].verdict = verdict

    def forecast(self, forecast: Forecast) -> None:
        self._counts.forecasts += 1
        self._forecast = forecast

    def score(self, score: Score) -> None:
        self._scores.add(score)

    def fitted(self, fitted: Fitted) -> None:
        self._warm = True
        self._model = fitted.model
        self._clusters = fitted.clusters
        self._drift = None

    def unfitted(self) -> None:
        self._warm = False
        self._model = None
        self._warming = None
        self._drift = None
        for segment in self._segments:
            segment.newest = None
            segment.verdict = None

    def named(self, named: Named) -> None:
        self._names = dict(named.names)

    def warming(self, windows: int, needed: int) -> None:
        self._warming = WarmingStatus(windows, needed)

    def snapshot(self, now_seconds: float) -> BandStatus:
        row = self._row
        frame = row.frame if row is not None else None
        too_narrow = frame is not None and not self._segments
        silent_seconds = now_seconds - self._heard_seconds
        allowed_seconds = max(LEAST_SILENCE_SECONDS, SILENCE_ROWS * self.row_seconds)
        return BandStatus(
            node=self._node,
            band=self._band,
            unit=frame.unit if frame is not None else None,
            bins=frame.bins if frame is not None else None,
            row_seconds=self.row_seconds if frame is not None else None,
            rows=self.rows,
            rows_per_second=self._rate.per_second(now_seconds),
            last_frame_ns=frame.time_ns if frame is not None else None,
            silent_seconds=silent_seconds,
            silence_allowed_seconds=allowed_seconds,
            flowing=frame is not None and silent_seconds <= allowed_seconds,
            ready=self._warm or too_narrow,
            warming=self._warming if not (self._warm or too_narrow) else None,
            model=self._model,
            clusters=self._clusters if self._warm else None,
            drift_ratio=_known(self._drift.ratio) if self._drift is not None else None,
            drifting=self._drift is not None and self._drift.drifting,
            noise_floor_db=_known(row.noise_floor_db) if row is not None else None,
            level_db=_known(row.level_db) if row is not None else None,
            occupancy_ratio=_known(row.occupancy_ratio) if row is not None else None,
            segments=tuple(self._segment_status(n, segment) for n, segment in enumerate(self._segments)),
            forecast=self._forecast_status(),
            losses=tuple(
                LossStatus(reason, loss.gaps, loss.rows, loss.samples, loss.windows)
                for reason, loss in sorted(self._counts.losses.items())
            ),
            windows=self._counts.windows,
            forecasts=self._counts.forecasts,
            spectrum=_spectrum(frame) if frame is not None else None,
        )

    def _take_geometry(self, frame: PsdFrame) -> None:
        width_hz = (min(frame.bins, WINDOW_BINS) - 1) * frame.bin_hz
        lows_hz = [frame.first_hz + int(first) * frame.bin_hz for first in segment_starts(frame.bins)]
        self._segments = [_Segment(low_hz, low_hz + width_hz) for low_hz in lows_hz]
        if self._geometry is not None:
            # What was forecast and scored held for other frequencies.
            self._forecast = None
            self._scores = RecentScores()

    def _segment_status(self, number: int, segment: _Segment) -> SegmentStatus:
        newest, verdict = segment.newest, segment.verdict
        cluster = newest.cluster if newest is not None else None
        return SegmentStatus(
            segment=number,
            low_hz=segment.low_hz,
            high_hz=segment.high_hz,
            cluster=cluster,
            name=self._names.get(cluster) if cluster is not None else None,
            novelty=_known(newest.novelty) if newest is not None and newest.novelty is not None else None,
            state=verdict.state if verdict is not None else "warming_up",
            score=_known(verdict.score) if verdict is not None else None,
            reasons=verdict.reasons if verdict is not None else (),
            since_ns=verdict.time_ns if verdict is not None else None,
            windows=segment.windows,
        )

    def _forecast_status(self) -> ForecastStatus | None:
        forecast = self._forecast
        if forecast is None:
            return None
        return ForecastStatus(
            made_ns=forecast.made_ns,
            step_s=forecast.step_s,
            model=forecast.model,
            mean_db=_all_known(step_means(forecast.mean)),
            low_db=_all_known(step_means(forecast.low)),
            high_db=_all_known(step_means(forecast.high)),
            idle_ratio=() if forecast.idle is None else _all_known(step_means(forecast.idle)),
            idle_below_db=forecast.idle_below_db,
            recent_rmse_db=_known(self._scores.rmse_db()),
            skill_ratio=_known(self._scores.skill_ratio()),
            coverage_ratio=_known(self._scores.coverage_ratio()),
        )


def _spectrum(frame: PsdFrame) -> SpectrumStatus:
    starts = np.linspace(0, frame.bins, min(frame.bins, SPECTRUM_POINTS), endpoint=False).astype(np.intp)
    highest_db = np.maximum.reduceat(frame.power_db, starts)
    last_hz = frame.first_hz + (frame.bins - 1) * frame.bin_hz
    return SpectrumStatus(
        frame.first_hz, last_hz, _all_known([round(float(power_db), 1) for power_db in highest_db])
    )


def _known(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _all_known(values: Iterable[float]) -> tuple[float | None, ...]:
    return tuple(_known(value) for value in values)
