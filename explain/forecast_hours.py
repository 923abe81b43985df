"""By the hour of the day (UTC): what a forecast looks at, and how far off it is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..models.forecast_rows import ForecastRows
from ..pipeline.frames import NS_PER_S, Float32, Int64

HOURS = 24


@dataclass(frozen=True, slots=True, eq=False)
class HourProfile:
    """`share` [24]: mean of the rows heard in that hour, 1 being the mean of all hours; NaN if never heard.

    `steady` is the correlation of the profiles of the first and the second half of the rows, NaN where they
    have not all hours each: near 1 the hours matter every day, near 0 it was chance.
    """

    share: Float32
    steady: float

    @classmethod
    def of(cls, values: Float32, hours: Float32) -> HourProfile:
        """Of values [n] at hours [n]; NaN in either is left out."""
        half = len(values) // 2
        share = hourly_mean(values, hours)
        halves = [hourly_mean(values[part], hours[part]) for part in (slice(half), slice(half, None))]
        usual = float(np.nanmean(share)) if np.isfinite(share).any() else np.nan
        return cls((share / usual).astype(np.float32) if usual else share, _correlation(*halves))

    @property
    def whole(self) -> bool:
        """Whether each hour was heard, in both halves of the recording."""
        return bool(np.isfinite(self.share).all() and np.isfinite(self.steady))


def rmse_by_hour(errors: Float32, origins: Int64, hours: Float32) -> Float32:
    """Errors [m, h, f] of forecasts from origins [m], by the hour of the target -> [24], NaN if none."""
    targets = origins[:, np.newaxis] + np.arange(errors.shape[1])
    squares = np.square(errors, dtype=np.float64).mean(axis=2)
    return np.sqrt(hourly_mean(squares.ravel().astype(np.float32), hours[targets].ravel()))


def hours_of(rows: ForecastRows) -> Float32:
    """When the middle of each numbered row was, hours of the day (UTC), [count]; NaN where it is missing."""
    found = np.full(rows.count, np.nan, np.float32)
    middle_s = rows.table.end_ns / NS_PER_S - rows.table.step_s / 2
    found[rows.number] = middle_s / 3600 % HOURS
    return found


def hourly_mean(values: Float32, hours: Float32) -> Float32:
    """Values [n] by the hour in which they lie [n] -> [24], NaN where there is none."""
    known = np.isfinite(values) & np.isfinite(hours)
    place = hours[known].astype(np.int64) % HOURS
    sums = np.bincount(place, values[known], HOURS)
    counts = np.bincount(place, minlength=HOURS)
    empty: NDArray[np.float64] = np.full(HOURS, np.nan)
    return np.divide(sums, counts, out=empty, where=counts > 0).astype(np.float32)


def _correlation(one: Float32, other: Float32) -> float:
    if not (np.isfinite(one).all() and np.isfinite(other).all()) or not one.std() or not other.std():
        return float("nan")
    return float(np.corrcoef(one, other)[0, 1])
