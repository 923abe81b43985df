"""How well the probability that a channel is idle was forecast, beside who only counts or only looks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..pipeline.frames import Float32
from ..pipeline.noise_floor import OCCUPIED_ABOVE_FLOOR_DB
from .forecast_intervals import RunningIntervals
from .forecast_question import ForecastQuestion
from .forecast_scores import known
from .idle_scores import brier_score

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class IdleFigures:
    """Brier scores of probabilities of idle: of all values, and by horizon [h]; 0 is perfect.

    `values` [h] is how many were scored; NaN where none.
    """

    brier: float
    by_horizon: Floats
    values: NDArray[np.int64]

    @classmethod
    def of(cls, probability: Float32, came: NDArray[np.bool_]) -> IdleFigures:
        """Both [n, h, f]; a probability that is NaN counts nowhere."""
        horizons = range(probability.shape[1])
        return cls(
            brier_score(probability, came),
            np.array([brier_score(probability[:, each], came[:, each]) for each in horizons]),
            np.isfinite(probability).sum(axis=(0, 2)),
        )

    @classmethod
    def pooled(cls, parts: Sequence[IdleFigures]) -> IdleFigures:
        """Of several sets of columns: each value counts alike."""
        counts = np.stack([each.values for each in parts])  # [sets, h]
        sums = np.stack([np.where(each.values, each.by_horizon * each.values, 0) for each in parts])
        total = counts.sum(axis=0)
        by_horizon = np.divide(sums.sum(axis=0), total, out=np.full(total.shape, np.nan), where=total > 0)
        return cls(float(sums.sum() / total.sum()) if total.any() else float("nan"), by_horizon, total)

    @classmethod
    def mean(cls, figures: Sequence[IdleFigures]) -> IdleFigures:
        """Of the same model with other seeds: the mean of each figure."""
        return cls(
            float(np.mean([each.brier for each in figures])),
            np.mean([each.by_horizon for each in figures], axis=0),
            figures[0].values,
        )

    def record(self) -> dict[str, Any]:
        """What JSON can say of it: None for what is not defined."""
        return {"brier": known(self.brier), "brier_by_horizon": [known(each) for each in self.by_horizon]}


@dataclass(frozen=True, slots=True, eq=False)
class IdleTruth:
    """Which channels were idle when it came, and what simple ways would have said, on one set of columns.

    A value is idle below the noise floor as of the row before the origin, plus a margin in dB, as the agent
    has it. `came` [n, h, f]; `climatology` says each channel's share of idle training rows (each by the floor
    of its own row), `persistence` 1 or 0 by the last row before the origin; float32 [n, h, f] each.
    """

    below_db: Floats
    came: NDArray[np.bool_]
    climatology: Float32
    persistence: Float32

    @classmethod
    def of(
        cls, question: ForecastQuestion, columns: slice, margin_db: float = OCCUPIED_ABOVE_FLOOR_DB
    ) -> IdleTruth:
        rows = question.rows
        last = np.searchsorted(rows.number, question.origins) - 1
        below_db = rows.floor_db[last] + margin_db  # [n]
        came = question.truth(columns) < below_db[:, np.newaxis, np.newaxis]
        first, end = np.searchsorted(rows.number, (question.train.start, question.train.stop)).tolist()
        taught = rows.table.values[first:end, columns] < rows.floor_db[first:end, np.newaxis] + margin_db
        looked = rows.table.values[last, columns] < below_db[:, np.newaxis]
        return cls(
            below_db,
            came,
            np.broadcast_to(taught.mean(axis=0).astype(np.float32), came.shape),
            np.broadcast_to(looked.astype(np.float32)[:, np.newaxis], came.shape),
        )

    def figures(self, run: RunningIntervals) -> IdleFigures:
        """Of a forecaster's probabilities, after the rows that only teach."""
        return IdleFigures.of(_counted(run.idle, run), self.came)

    def naive(self, run: RunningIntervals) -> NaiveIdle:
        """Of the simple ways, on the values that a forecaster's are scored on."""
        there = np.isfinite(_counted(run.idle, run))
        climatology, persistence = (
            IdleFigures.of(np.where(there, said, np.float32(np.nan)), self.came)
            for said in (self.climatology, self.persistence)
        )
        share = float(self.came[there].mean()) if there.any() else float("nan")
        return NaiveIdle(share, climatology, persistence)


@dataclass(frozen=True, slots=True, eq=False)
class NaiveIdle:
    """The share of values that were idle, and what the simple ways of `IdleTruth` come to."""

    share: float
    climatology: IdleFigures
    persistence: IdleFigures

    @classmethod
    def pooled(cls, parts: Sequence[NaiveIdle]) -> NaiveIdle:
        """Of several sets of columns: each value counts alike."""
        counts = [each.climatology.values.sum() for each in parts]
        shares = [each.share for each in parts]
        return cls(
            float(np.average(shares, weights=counts)) if all(counts) else float("nan"),
            IdleFigures.pooled([each.climatology for each in parts]),
            IdleFigures.pooled([each.persistence for each in parts]),
        )

    def record(self) -> dict[str, Any]:
        """What JSON can say of it."""
        return {
            "share": known(self.share),
            "climatology": self.climatology.record(),
            "persistence": self.persistence.record(),
        }


def _counted(idle: Float32, run: RunningIntervals) -> Float32:
    return np.where(run.taught[:, np.newaxis, np.newaxis], idle, np.float32(np.nan))
