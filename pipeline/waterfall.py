"""A recording as a picture of bounded size: level over time and frequency."""

from __future__ import annotations

import math

import numpy as np

from .frames import Float32, Gap, PsdFrame


class Waterfall:
    """Gathers rows of one recording into float32 [height, width], time downward, evenly spaced.

    Each pixel holds the highest level of the rows and bins that fall into it, so that a short burst stays
    visible; NaN where there was none. `height` is at most `most_rows`, `width` at most `most_columns`.
    """

    def __init__(
        self, start_ns: int, end_ns: int, step_ns: int, bins: int, *, most_rows: int, most_columns: int
    ) -> None:
        self.start_ns = start_ns
        self.end_ns = end_ns
        self.rows_a_pixel = max(1.0, (end_ns - start_ns) / step_ns / most_rows)
        self.bins_a_pixel = max(1.0, bins / most_columns)
        height = max(1, min(most_rows, math.ceil((end_ns - start_ns) / step_ns)))
        width = min(most_columns, bins)
        self.power_db: Float32 = np.full((height, width), np.nan, dtype=np.float32)
        self._first_bins = np.arange(width) * bins // width
        self._last: PsdFrame | None = None

    def add(self, item: PsdFrame | Gap) -> None:
        """Take the next row or gap. A row reaches to the start of the next one: clocks jitter."""
        if self._last is not None:
            until_ns = self._last.end_ns if isinstance(item, Gap) else item.time_ns
            self._paint(self._last, until_ns)
        self._last = item if isinstance(item, PsdFrame) else None

    def finish(self) -> Float32:
        """The picture, once all rows were added."""
        if self._last is not None:
            self._paint(self._last, self._last.end_ns)
            self._last = None
        return self.power_db

    def _paint(self, frame: PsdFrame, until_ns: int) -> None:
        top = self._pixel(frame.time_ns)
        bottom = max(top + 1, self._pixel(until_ns))
        finite = np.where(np.isfinite(frame.power_db), frame.power_db, np.float32(np.nan))
        peaks = np.fmax.reduceat(finite, self._first_bins)
        pixels = self.power_db[top:bottom]
        np.fmax(pixels, peaks, out=pixels)

    def _pixel(self, time_ns: int) -> int:
        return (time_ns - self.start_ns) * len(self.power_db) // (self.end_ns - self.start_ns)
