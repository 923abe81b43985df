"""How a receiver's gain drifts: by the day's temperature, by the hour, and a little from row to row."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .arrivals import DAY_SECONDS
from .frames import NS_PER_S

_KEY = 2**32 - 2
"""The spawn key of the drift's own generators: no chunk of a band has it."""

_PERIODS_SECONDS = DAY_SECONDS / 2.0 ** np.arange(8)  # a day .. 11 minutes
_WARMEST_SECONDS = 15 * 3600.0


class GainDrift:
    """Gain in dB at any time, from the seed alone: it is the same whatever was asked for before.

    The slow part has a standard deviation of `drift_db` over days. Half of its variance is the temperature's:
    least gain at 15:00 UTC, when amplifiers are warmest. The other half is sines of 12 hours to 11 minutes
    with amplitudes that fall with the root of the period. `jitter_db` is the standard deviation of a part
    that every row draws anew.
    """

    def __init__(self, seed: int, start_ns: int, drift_db: float, jitter_db: float) -> None:
        self._seed = seed
        self._jitter_db = jitter_db
        self._since_midnight = start_ns / NS_PER_S % DAY_SECONDS
        random = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(_KEY,)))
        self._phases = random.uniform(0, 2 * np.pi, len(_PERIODS_SECONDS))
        variances = _PERIODS_SECONDS / _PERIODS_SECONDS[1:].sum()
        variances[0] = 1.0
        # The day's phase is the sun's: cos is -1 at 15:00 UTC.
        self._phases[0] = np.pi - 2 * np.pi * (_WARMEST_SECONDS - self._since_midnight) / DAY_SECONDS
        self._amplitudes_db = drift_db * np.sqrt(variances)

    def slow_db(self, seconds: NDArray[np.float64]) -> NDArray[np.float64]:
        """The slow part at times [n] from the first row, in seconds."""
        angles = 2 * np.pi * seconds[:, None] / _PERIODS_SECONDS + self._phases
        return np.cos(angles) @ self._amplitudes_db

    def rows_db(self, first_row: int, rows: int, row_seconds: float) -> NDArray[np.float64]:
        """Both parts for rows [first_row, first_row + rows); `first_row` is a multiple of `rows`."""
        gain_db = self.slow_db((first_row + np.arange(rows, dtype=np.float64) + 0.5) * row_seconds)
        if self._jitter_db:
            key = np.random.SeedSequence(self._seed, spawn_key=(_KEY, first_row // rows))
            gain_db += self._jitter_db * np.random.default_rng(key).standard_normal(rows)
        return gain_db
