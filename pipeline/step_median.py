"""The usual step between rows of a file of any length, in bounded memory."""

from __future__ import annotations

from collections import Counter

MOST_STEPS = 65_536


class StepMedian:
    """Median of the steps between row starts that come one by one.

    Exact up to 65,536 different steps; beyond, within 2 ns, 4 ns, ...: as fine as keeps so many apart.
    """

    def __init__(self) -> None:
        self._counts: Counter[int] = Counter()
        self._grain_ns = 1
        self._before_ns: int | None = None

    def add(self, start_ns: int) -> None:
        """Take the start of the next row."""
        if self._before_ns is not None:
            self._counts[(start_ns - self._before_ns) // self._grain_ns] += 1
            while len(self._counts) > MOST_STEPS:
                self._grain_ns *= 2
                coarser: Counter[int] = Counter()
                for step, count in self._counts.items():
                    coarser[step // 2] += count
                self._counts = coarser
        self._before_ns = start_ns

    @property
    def median_ns(self) -> int | None:
        """None with fewer than two rows; the lower of the middle two where there are two."""
        half, seen = (self._counts.total() - 1) // 2, 0
        for step, count in sorted(self._counts.items()):
            seen += count
            if seen > half:
                return step * self._grain_ns + self._grain_ns // 2
        return None
