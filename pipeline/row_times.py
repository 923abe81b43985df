"""When each row of a recording began: from a start and a step, or from an array of row times."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from .errors import BadInput
from .frames import NS_PER_S, Int64
from .limits import LATEST_NS

HOLE_STEPS = 2.5
MOST_LISTED = 20


@dataclass(frozen=True, slots=True)
class Break:
    """Row `row` does not follow the row before it; `lost_rows` is None where time did not move on."""

    row: int
    reason: Literal["source", "clock"]
    lost_rows: int | None
    step_ns: int


@dataclass(frozen=True, slots=True, eq=False)
class RowTimes:
    """Start of every row in ns UTC, and the one duration all rows have.

    Without `stamps_ns` row i begins at `start_ns + i * step_ns`, in integers. With them (int64 [rows]) it
    begins at its stamp, and `step_ns` is the median step of the whole file.
    """

    start_ns: int
    step_ns: int
    rows: int
    stamps_ns: Int64 | None = None

    @property
    def earliest_ns(self) -> int:
        return self.start_ns if self.stamps_ns is None else int(self.stamps_ns.min())

    @property
    def end_ns(self) -> int:
        """End of the row that ends last."""
        last_ns = (self.rows - 1) * self.step_ns + self.start_ns
        return (last_ns if self.stamps_ns is None else int(self.stamps_ns.max())) + self.step_ns

    def starts_ns(self, first: int, count: int) -> list[int]:
        """Start of rows [first, first + count)."""
        if self.stamps_ns is not None:
            return self.stamps_ns[first : first + count].tolist()
        return [self.start_ns + row * self.step_ns for row in range(first, first + count)]

    def breaks(self) -> list[Break]:
        """Every break of the recording, in order."""
        if self.stamps_ns is None:
            return []
        steps_ns = np.diff(self.stamps_ns)
        rows = np.flatnonzero((steps_ns <= 0) | (steps_ns > HOLE_STEPS * self.step_ns)) + 1
        pairs = [(int(row), *self.stamps_ns[row - 1 : row + 1].tolist()) for row in rows]
        found = [break_between(before_ns, row_ns, row, self.step_ns) for row, before_ns, row_ns in pairs]
        return [each for each in found if each is not None]

    def problems(self) -> list[str]:
        """The breaks in words, the first 20 of them, then how many more."""
        return break_words(self.breaks())


def break_between(before_ns: int, row_ns: int, row: int, step_ns: int) -> Break | None:
    """What lies between a row that began at `before_ns` and `row`, the next, at `row_ns`, if anything.

    A step of more than 2.5 times `step_ns`, the usual one, is a hole; one of 0 or less the clock's fault.
    """
    found_ns = row_ns - before_ns
    if found_ns <= 0:
        return Break(row, "clock", None, found_ns)
    if found_ns > HOLE_STEPS * step_ns:
        return Break(row, "source", max(1, round(found_ns / step_ns) - 1), found_ns)
    return None


def break_words(breaks: Sequence[Break], beyond: int = 0) -> list[str]:
    """The breaks in words, the first 20 of them, then how many more; `beyond` are more not given."""
    words = [_words(each) for each in breaks[:MOST_LISTED]]
    more = max(0, len(breaks) - MOST_LISTED) + beyond
    return words + ([f"{more} more breaks in the row times"] if more else [])


def stamped_times(owner: str, seconds: NDArray[Any], rows: int, lone_step_ns: int | None) -> RowTimes:
    """Rows at their stamps, seconds since 1970; `seconds` must be [rows].

    `lone_step_ns` is the duration of a recording's only row: there is no median then. `BadInput` names
    `owner` (the file and the array) where the stamps are not times.
    """
    exact = seconds.dtype.kind in "iu" or (seconds.dtype.kind == "f" and seconds.dtype.itemsize >= 8)
    if not exact:
        raise BadInput(f"{owner}: row times as {seconds.dtype}; limit: float64 or integers, in seconds")
    # Written so that NaN is outside the limit too.
    outside = np.flatnonzero(~((seconds >= 0) & (seconds < LATEST_NS // NS_PER_S)))
    if outside.size:
        row = int(outside[0])
        raise BadInput(
            f"{owner}: row {row} is at {seconds[row]};"
            f" limit: seconds since 1970, below {LATEST_NS // NS_PER_S}"
        )
    if seconds.dtype.kind == "f":
        stamps_ns = np.rint(seconds * NS_PER_S).astype(np.int64)
    else:
        stamps_ns = seconds.astype(np.int64) * NS_PER_S
    if rows > 1:
        step_ns = round(float(np.median(np.diff(stamps_ns))))
    elif lone_step_ns is not None:
        step_ns = lone_step_ns
    else:
        raise BadInput(f"{owner}: one row time gives no step; write step_seconds in the sidecar")
    if step_ns <= 0:
        raise BadInput(f"{owner}: the median step is {step_ns} ns; limit: above 0, rows oldest first")
    return RowTimes(int(stamps_ns[0]), step_ns, rows, stamps_ns)


def _words(found: Break) -> str:
    if found.reason == "source":
        seconds = found.step_ns / NS_PER_S
        return f"row {found.row}: {seconds:g} s after the row before, about {found.lost_rows} rows lost"
    if found.step_ns == 0:
        return f"row {found.row}: the time of the row before again"
    return f"row {found.row}: time goes back by {-found.step_ns / NS_PER_S:g} s"
