"""What of a row the next one is compared with, and how: the axis, and the dates."""

from __future__ import annotations

from typing import NamedTuple

from .frames import NS_PER_S, PsdFrame

# A row may start this much after the one before it. Row times jitter by some tenths of a row where a
# machine stamps them; a longer wait with no row missing is the clock's.
LATEST_START_ROWS = 2.5
LATEST_START_NS = NS_PER_S


class RowPlace(NamedTuple):
    """Where in time and frequency a row lies; plain values, as a state has them."""

    time_ns: int
    duration_ns: int
    center_hz: float
    bin_hz: float
    bins: int
    unit: str
    gain_db: float | None

    @classmethod
    def of(cls, row: PsdFrame) -> RowPlace:
        return cls(row.time_ns, row.duration_ns, row.center_hz, row.bin_hz, row.bins, row.unit, row.gain_db)

    def is_retuned(self, row: PsdFrame) -> bool:
        """Whether the bins of the row after this one are others."""
        return (
            self.center_hz != row.center_hz
            or self.bin_hz != row.bin_hz
            or self.unit != row.unit
            or self.bins != row.bins
        )

    def clock_jumped(self, row: PsdFrame) -> bool:
        """Whether the next row, none missing between, starts before this one or much later."""
        advance_ns = row.time_ns - self.time_ns
        return not 0 <= advance_ns <= max(LATEST_START_ROWS * self.duration_ns, LATEST_START_NS)
