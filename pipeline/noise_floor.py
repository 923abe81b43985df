"""The level of a band row by row: tracked noise floor, mean level, occupancy."""

from __future__ import annotations

import math

import numpy as np

from .frames import Float32, Gap, LevelledRow, PsdFrame
from .state import State

FLOOR_QUANTILE = 0.3
OCCUPIED_ABOVE_FLOOR_DB = 6.0
START_ROWS = 32
FALL_ROWS = 32
RISE_ROWS = 128

_LN10_OVER_10 = math.log(10) / 10


class NoiseFloor:
    """Stage PsdFrame -> LevelledRow: follows the noise floor of one band.

    The floor of a row is the 0.3 quantile of its bins. The tracked floor is the mean of the first 32 rows,
    then an exponential average that falls with a constant of 32 rows and rises with one of 128: a
    wideband burst hardly lifts it, a gain step has ended the window anyway. A gap of reason `retuned`,
    `gain` or `restart` starts anew; after others the floor is where it was.
    """

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self._floor_db = math.nan
        self._rows = 0

    @property
    def floor_db(self) -> float:
        """The tracked floor as of the last row; NaN before the first."""
        return self._floor_db

    def state(self) -> State:
        return {"floor_db": self._floor_db, "rows": self._rows}

    def restore(self, state: State) -> None:
        self._floor_db = state["floor_db"]
        self._rows = state["rows"]

    def gap(self, gap: Gap) -> list[LevelledRow]:
        if gap.reason in ("retuned", "gain", "restart"):
            self.reset()
        return []

    def push(self, item: PsdFrame) -> list[LevelledRow]:
        row_floor_db = row_quantile(item.power_db, FLOOR_QUANTILE)
        self._rows += 1
        if self._rows == 1:
            self._floor_db = row_floor_db
        else:
            step_db = row_floor_db - self._floor_db
            slow_rows = FALL_ROWS if step_db < 0 else RISE_ROWS
            self._floor_db += step_db / (self._rows if self._rows <= START_ROWS else slow_rows)
        occupied = np.count_nonzero(item.power_db > self._floor_db + OCCUPIED_ABOVE_FLOOR_DB)
        return [LevelledRow(item, self._floor_db, mean_level_db(item), occupied / item.bins)]


def row_quantile(power_db: Float32, quantile: float) -> float:
    """The bin below which `quantile` of the bins lie (no interpolation: 10 times faster than numpy's)."""
    rank = int(quantile * (power_db.shape[0] - 1))
    return float(np.partition(power_db, rank)[rank])


def mean_level_db(frame: PsdFrame) -> float:
    """Mean power of a row's bins, averaged as power where the unit is logarithmic, in the frame's unit."""
    if frame.unit == "counts":
        return float(frame.power_db.mean(dtype=np.float64))
    peak_db = float(frame.power_db.max())
    powers = np.exp((frame.power_db - np.float32(peak_db)) * np.float32(_LN10_OVER_10))
    return peak_db + 10 * math.log10(float(powers.mean(dtype=np.float64)))
