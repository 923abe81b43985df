"""A piece of a sweep: what swept spectrum formats hold in one line or record."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class SpectrumLine:
    """`bins` neighbouring bins measured together; `first_hz` is the centre of the lowest.

    `power` real [bins], lowest frequency first, NaN and infinities as they stand; None on a pass that
    only looks at the axes. `place` says where it stands in the file, for messages (`line 17`).
    """

    time_ns: int
    first_hz: float
    bin_hz: float
    bins: int
    power: NDArray[Any] | None
    place: str
