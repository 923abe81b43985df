"""The period of a band, found from its rows: by the autocorrelation of their smoothed change."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ...pipeline.frames import Float32
from .forecaster import HORIZON_STEPS

DAY_S = 86400.0
LEAST_PERIODS = 3  # a period has to be seen so often
LEAST_CORRELATION = 0.1
MOST_PERIOD_ROWS = 4096
SMOOTHED_ROWS = 8


def find_period(values: Float32, step_s: float) -> int | None:
    """The period of the rows [n, F] in rows, longer than a forecast; None where there is none.

    What is correlated is the mean of eight rows minus that of the eight before: levels that shift once,
    and noise, leave it. Each column is scaled to one; columns are averaged. A period is a peak of the
    autocorrelation of at least 0.1 (and twice what chance gives one column), no lower than anything within
    a quarter of it, and 0.1 above the lowest point between its half and itself. Of the peaks that come to
    0.8 of the highest it is the shortest, as multiples of a period are periods, too. One within 3 % of a
    day is a day. Rows that hold a NaN, and changes over one, are left out. At least three whole periods
    have to be in the rows.
    """
    longest = min(len(values) // LEAST_PERIODS, MOST_PERIOD_ROWS)
    if longest <= 2 * HORIZON_STEPS:
        return None
    correlation = _autocorrelation(values, longest)
    least = max(LEAST_CORRELATION, 2 * (6 / len(values)) ** 0.5)
    peaks = []
    for lag in range(HORIZON_STEPS + SMOOTHED_ROWS, longest):
        around = correlation[lag - lag // 4 : lag + lag // 4 + 1]
        height = correlation[lag]
        rise = height - correlation[lag // 2 : lag].min()
        if height >= max(least, around.max()) and rise >= LEAST_CORRELATION:
            peaks.append(lag)
    if not peaks:
        return None
    best = max(correlation[peak] for peak in peaks)
    period = next(peak for peak in peaks if correlation[peak] >= 0.8 * best)
    day = round(DAY_S / step_s)
    return day if abs(period - day) <= 0.03 * day else period


def _autocorrelation(values: Float32, longest: int) -> NDArray[np.float64]:
    """Of the smoothed change, mean over the columns that move, 1 at lag 0. Shape: [n, F] -> [longest + 1]."""
    known = np.asarray(np.isfinite(values).all(axis=1))
    rows = np.where(known[:, np.newaxis], values, 0).astype(np.float64)
    total = np.concatenate([np.zeros((1, rows.shape[1])), np.cumsum(rows, axis=0)])
    counted = np.concatenate([[0], np.cumsum(known)])
    before, now, after = (
        slice(k, len(total) - 2 * SMOOTHED_ROWS + k) for k in (0, SMOOTHED_ROWS, 2 * SMOOTHED_ROWS)
    )
    change = (total[after] - 2 * total[now] + total[before]) / SMOOTHED_ROWS  # [n - 15, F]
    whole = counted[after] - counted[before] == 2 * SMOOTHED_ROWS
    change[~whole] = 0
    deviation = np.sqrt(np.square(change).sum(axis=0) / max(int(whole.sum()), 1))
    moving = deviation > 1e-6
    if not moving.any():
        return np.zeros(longest + 1)
    change = change[:, moving] / deviation[moving]
    size = 1 << (len(change) + longest + 1).bit_length()
    power = np.square(np.abs(np.fft.rfft(change, size, axis=0))).mean(axis=1)
    pairs = np.fft.irfft(np.square(np.abs(np.fft.rfft(whole.astype(np.float64), size))), size)
    return np.fft.irfft(power, size)[: longest + 1] / np.maximum(pairs[: longest + 1], 1)
