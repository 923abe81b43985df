"""The usual step between rows of a file of any length, in bounded memory."""

from __future__ import annotations

from collections import Counter

MOST_STEPS = 65_536


class StepMedian:
    """Median of the steps between row starts that come one by one.

    Exact up to 65,536 different steps; beyond, that of every second, fourth, ... step.
    """

    def __init__(self) -> None:
        self._steps: Counter[int] = Counter()
        self._every = 1
        self._count = 0
        self._before_ns: int | None = None

    def add(self, start_ns: int) -> None:
        """Take the start of the next row."""
        if self._before_ns is not None:
            if self._count % self._every == 0:
                self._steps[start_ns - self._before_ns] += 1
            self._count += 1
            if len(self._steps) > MOST_STEPS:
                self._every *= 2
                self._steps = Counter(dict(list(self._steps.items())[::2]))
        self._before_ns = start_ns

    @property
    def median_ns(self) -> int | None:
        """None with fewer than two rows; the lower of the middle two where there are two."""
        half, seen = (self._steps.total() - 1) // 2, 0
        for step_ns, count in sorted(self._steps.items()):
            seen += count
            if seen > half:
                return step_ns
        return None
