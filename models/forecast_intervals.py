"""How often the truth came inside the agent's intervals, had a forecaster run with them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..pipeline.frames import Float32, Int64
from .conformal import Conformal
from .forecast_scores import known

COVERAGE = 0.9
WARM_UP_ROWS = 96


@dataclass(frozen=True, slots=True)
class IntervalFigures:
    """Of 90 % intervals: the share of truth inside, the mean interval score and width in the band's unit.

    The interval score is the width, and 20 times the distance of a truth outside (Gneiting and Raftery
    2007, equation 43): lower is better. Forecasts of the first 96 rows only teach. NaN where there were no
    later ones.
    """

    coverage: float
    score: float
    width: float

    @classmethod
    def of(cls, forecasts: Float32, truth: Float32, origins: Int64) -> IntervalFigures:
        """Forecasts and truth [n, h, f] at `origins` [n], ascending, taken row by row as they would come.

        Each interval rests on the errors of rows before its origin alone.
        """
        low, high = running_intervals(forecasts, truth, origins)
        taught = origins >= origins[0] + WARM_UP_ROWS
        bounded = np.isfinite(low) & np.isfinite(high) & taught[:, np.newaxis, np.newaxis]
        if not bounded.any():
            return cls(float("nan"), float("nan"), float("nan"))
        below, above, came = (each[bounded].astype(np.float64) for each in (low, high, truth))
        outside = np.maximum(below - came, 0) + np.maximum(came - above, 0)
        width = above - below
        return cls(
            coverage=float((outside == 0).mean()),
            score=float((width + 2 / (1 - COVERAGE) * outside).mean()),
            width=float(width.mean()),
        )

    @classmethod
    def mean(cls, figures: Sequence[IntervalFigures]) -> IntervalFigures:
        """Of the same model with other seeds: the mean of each figure."""
        return cls(
            float(np.mean([each.coverage for each in figures])),
            float(np.mean([each.score for each in figures])),
            float(np.mean([each.width for each in figures])),
        )

    def record(self) -> dict[str, Any]:
        """What JSON can say of it."""
        return {
            "coverage": known(self.coverage),
            "interval_score": known(self.score),
            "interval_width": known(self.width),
        }


def running_intervals(forecasts: Float32, truth: Float32, origins: Int64) -> tuple[Float32, Float32]:
    """Low and high [n, h, f] of each forecast, NaN while too little was known; see `IntervalFigures.of`."""
    _, horizon, columns = forecasts.shape
    conformal = Conformal(horizon, coverage=COVERAGE)
    spreads = np.full_like(forecasts, np.nan)
    low, high = np.full_like(forecasts, np.nan), np.full_like(forecasts, np.nan)
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
            spreads[number] = conformal.spread(columns)
            low[number], high[number] = conformal.interval(forecasts[number], spreads[number])
    return low, high
