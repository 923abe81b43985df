"""The default's forecasts of a running band, remembered: a step makes one new, not those of the last rows."""

from __future__ import annotations

from collections import OrderedDict

import numpy as np

from ...pipeline.frames import Float32, Int64
from .default_steady import SteadyDefault
from .recent_mix import RECENT_ROWS

MOST_KEPT = RECENT_ROWS + 2  # every second row, in turn the odd ones and the even ones


class MadeBefore:
    """Keeps both readings of the last 98 origins asked for, each under all the rows that it was made from.

    Each is made by itself, so that it is the same to the bit whenever it is made. One caller at a time.
    """

    def __init__(self) -> None:
        self._kept: OrderedDict[int, tuple[Float32, Float32]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def readings(self, steady: SteadyDefault, values: Float32, origins: Int64) -> tuple[Float32, Float32]:
        """As `SteadyDefault.both_readings`."""
        rows = [hash(row.tobytes()) for row in values]
        found: list[tuple[Float32, Float32]] = []
        for place, origin in enumerate(origins.tolist()):
            key = hash(tuple(rows[max(0, origin - steady.needs_rows) : origin]))
            if key not in self._kept:
                level, plain = steady.both_readings(values, origins[place : place + 1])
                self._kept[key] = level[0], plain[0]
            self._kept.move_to_end(key)
            found.append(self._kept[key])
        while len(self._kept) > MOST_KEPT:
            self._kept.popitem(last=False)
        return np.stack([each[0] for each in found]), np.stack([each[1] for each in found])
