"""How far forecasts were off: the third paper's measures, pooled, by horizon and by column."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..pipeline.frames import Float32

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class ForecastScores:
    """RMSE in the band's unit and MAPE in percent: of all targets, by horizon [h], by column [f].

    Source: Xu et al. (2025), section 3.3, with n all origins, horizons and columns there are. MAPE divides
    by the magnitude of the truth, so a value close to the unit's zero can outweigh all others; a truth of
    exactly 0 is left out of it (NaN where all are).
    """

    rmse: float
    mape: float
    rmse_by_horizon: Floats
    mape_by_horizon: Floats
    rmse_by_column: Floats
    mape_by_column: Floats

    @classmethod
    def of(cls, forecasts: Float32, truth: Float32) -> ForecastScores:
        """Shape: both [n, h, f]."""
        wide = truth.astype(np.float64)
        error = forecasts.astype(np.float64) - wide
        squares = np.square(error)
        shares = np.full(wide.shape, np.nan)
        np.divide(100 * np.abs(error), np.abs(wide), out=shares, where=wide != 0)
        return cls(
            rmse=float(np.sqrt(squares.mean())),
            mape=float(_known_mean(shares, (0, 1, 2))),
            rmse_by_horizon=np.sqrt(squares.mean(axis=(0, 2))),
            mape_by_horizon=_known_mean(shares, (0, 2)),
            rmse_by_column=np.sqrt(squares.mean(axis=(0, 1))),
            mape_by_column=_known_mean(shares, (0, 1)),
        )

    @classmethod
    def mean(cls, scores: Sequence[ForecastScores]) -> ForecastScores:
        """Of the same model with other seeds: the mean of each figure."""
        return cls(
            rmse=float(np.mean([each.rmse for each in scores])),
            mape=float(np.mean([each.mape for each in scores])),
            rmse_by_horizon=np.mean([each.rmse_by_horizon for each in scores], axis=0),
            mape_by_horizon=np.mean([each.mape_by_horizon for each in scores], axis=0),
            rmse_by_column=np.mean([each.rmse_by_column for each in scores], axis=0),
            mape_by_column=np.mean([each.mape_by_column for each in scores], axis=0),
        )

    def record(self) -> dict[str, Any]:
        """What JSON can say of it: None for what is not defined."""
        return {
            "rmse": known(self.rmse),
            "mape": known(self.mape),
            "rmse_by_horizon": [known(value) for value in self.rmse_by_horizon],
            "mape_by_horizon": [known(value) for value in self.mape_by_horizon],
            "rmse_by_column": [known(value) for value in self.rmse_by_column],
            "mape_by_column": [known(value) for value in self.mape_by_column],
        }


def _known_mean(shares: Floats, axes: tuple[int, ...]) -> Floats:
    """Over what is not NaN; NaN where nothing is."""
    known = np.isfinite(shares)
    counts = known.sum(axis=axes)
    sums = np.where(known, shares, 0).sum(axis=axes)
    return np.divide(sums, counts, out=np.full(counts.shape, np.nan), where=counts > 0)


def known(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
