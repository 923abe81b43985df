"""What a pass over a recording shows: its levels, its unbroken stretches, the windows they allow."""

from __future__ import annotations

import math

import numpy as np

from .frames import Float32, Gap, PsdFrame
from .windows import WINDOW_ROWS, segment_starts

STRIDE_ROWS = 16
SAMPLED_VALUES = 8_000_000


class Survey:
    """Gathers rows and gaps of one recording in bounded memory; `rows` and `bins` are the recording's.

    The median is that of all finite values, or, beyond 8 million of them, of those of every
    `median_every`-th row. A row with NaN or infinity ends a stretch as a gap does, since no window may
    hold one.
    """

    def __init__(self, rows: int, bins: int) -> None:
        self.median_every = max(1, math.ceil(rows * bins / SAMPLED_VALUES))
        self.lowest_db = math.inf
        self.highest_db = -math.inf
        self.gaps = 0
        self.lost_rows = 0
        self.unbroken_rows = 0
        self.windows = 0
        self._segments = len(segment_starts(bins))
        self._seen = 0
        self._stretch = 0
        self._center_hz: float | None = None
        self._sampled: list[Float32] = []

    def add(self, item: PsdFrame | Gap) -> None:
        """Take the next row or gap."""
        if isinstance(item, Gap):
            self.gaps += 1
            self.lost_rows += item.lost_rows or 0
            self._stretch = 0
            return
        if item.center_hz != self._center_hz:
            self._center_hz = item.center_hz
            self._stretch = 0
        lowest, highest = item.power_db.min(), item.power_db.max()  # NaN if any value is
        finite = item.power_db
        if not (np.isfinite(lowest) and np.isfinite(highest)):
            self._stretch = 0
            finite = item.power_db[np.isfinite(item.power_db)]
        else:
            self._stretch += 1
            self.unbroken_rows = max(self.unbroken_rows, self._stretch)
            if self._stretch >= WINDOW_ROWS and (self._stretch - WINDOW_ROWS) % STRIDE_ROWS == 0:
                self.windows += self._segments
        if finite.size:
            self.lowest_db = min(self.lowest_db, float(finite.min()))
            self.highest_db = max(self.highest_db, float(finite.max()))
            if self._seen % self.median_every == 0:
                self._sampled.append(finite.copy())  # a view would keep its whole block
        self._seen += 1

    @property
    def median_db(self) -> float:
        """NaN where no sampled row holds a finite value."""
        return float(np.median(np.concatenate(self._sampled))) if self._sampled else math.nan
