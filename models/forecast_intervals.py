"""The agent's intervals, had a forecaster run with them, and how often the truth came inside."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..pipeline.frames import Float32, Int64
from .conformal import Conformal
from .forecast_scores import known

COVERAGE = 0.9
WARM_UP_ROWS = 96


@dataclass(frozen=True, slots=True, eq=False)
class RunningIntervals:
    """Of forecasts [n, h, f]: `low`, `high` and the probability `idle` that truth lies below a level.

    float32 [n, h, f] each, NaN while too little was known; `taught` [n]: what counts, after the first rows.
    """

    low: Float32
    high: Float32
    idle: Float32
    taught: NDArray[np.bool_]

    @classmethod
    def of(
        cls, forecasts: Float32, truth: Float32, origins: Int64, below_db: NDArray[np.float64] | None = None
    ) -> RunningIntervals:
        """Forecasts and truth [n, h, f] at `origins` [n], ascending, taken row by row as they would come.

        Each interval rests on the errors of rows before its origin alone. `below_db` [n] are the levels
        below which a channel is idle, by origin; without them nothing is said of that.
        """
        _, horizon, columns = forecasts.shape
        conformal = Conformal(horizon, coverage=COVERAGE)
        spreads, low, high, idle = (np.full_like(forecasts, np.nan) for _ in range(4))
        index = {int(origin): number for number, origin in enumerate(origins)}
        errors = truth - forecasts
        for row in range(int(origins[0]), int(origins[-1]) + 1):
            # The row before this one has come: it proves what was forecast for it.
            proven = np.full((horizon, columns), np.nan, np.float32)
            expected = np.full((horizon, columns), np.nan, np.float32)
            for ahead in range(horizon):
                number = index.get(row - 1 - ahead)
                if number is not None:
                    proven[ahead], expected[ahead] = errors[number, ahead], spreads[number, ahead]
            conformal.observe(proven, expected)
            number = index.get(row)
            if number is not None:
                spread = spreads[number] = conformal.spread(columns)
                low[number], high[number] = conformal.interval(forecasts[number], spread)
                if below_db is not None:
                    idle[number] = conformal.below(forecasts[number], spread, float(below_db[number]))
        return cls(low, high, idle, origins >= origins[0] + WARM_UP_ROWS)


@dataclass(frozen=True, slots=True)
class IntervalFigures:
    """Of 90 % intervals: the share of truth inside, the mean interval score and width in the band's unit.

    The interval score is the width, and 20 times the distance of a truth outside (Gneiting and Raftery
    2007, equation 43): lower is better. Forecasts of the first 96 rows only teach. NaN where there were no
    later ones. `values` is how many there were.
    """

    coverage: float
    score: float
    width: float
    values: int

    @classmethod
    def of(cls, run: RunningIntervals, truth: Float32) -> IntervalFigures:
        """Of intervals and the truth [n, h, f] that came."""
        bounded = np.isfinite(run.low) & np.isfinite(run.high) & run.taught[:, np.newaxis, np.newaxis]
        if not bounded.any():
            return cls(float("nan"), float("nan"), float("nan"), 0)
        below, above, came = (each[bounded].astype(np.float64) for each in (run.low, run.high, truth))
        outside = np.maximum(below - came, 0) + np.maximum(came - above, 0)
        width = above - below
        return cls(
            coverage=float((outside == 0).mean()),
            score=float((width + 2 / (1 - COVERAGE) * outside).mean()),
            width=float(width.mean()),
            values=int(bounded.sum()),
        )

    @classmethod
    def pooled(cls, parts: Sequence[IntervalFigures]) -> IntervalFigures:
        """Of several sets of columns: each value counts alike."""
        known = [each for each in parts if each.values]
        if not known:
            return parts[0]
        counts = [each.values for each in known]
        return cls(
            float(np.average([each.coverage for each in known], weights=counts)),
            float(np.average([each.score for each in known], weights=counts)),
            float(np.average([each.width for each in known], weights=counts)),
            sum(counts),
        )

    @classmethod
    def mean(cls, figures: Sequence[IntervalFigures]) -> IntervalFigures:
        """Of the same model with other seeds: the mean of each figure."""
        return cls(
            float(np.mean([each.coverage for each in figures])),
            float(np.mean([each.score for each in figures])),
            float(np.mean([each.width for each in figures])),
            figures[0].values,
        )

    def record(self) -> dict[str, Any]:
        """What JSON can say of it."""
        return {
            "coverage": known(self.coverage),
            "interval_score": known(self.score),
            "interval_width": known(self.width),
        }
