"""What a band's windows are cut from: models of one geometry mean nothing on another."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

BIN_HZ_TOLERANCE = 1e-6
FIRST_BIN_TOLERANCE = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Geometry:
    """What the windows of a band are cut from.

    `unit` is that of the rows, `first_hz` the centre of their lowest bin, `segments` the windows of one
    moment.
    """

    node: str
    band: str
    unit: str
    bins: int
    first_hz: float
    bin_hz: float
    segments: int

    def __str__(self) -> str:
        return (
            f"{self.bins} bins of {self.bin_hz:g} Hz from {self.first_hz / 1e6:.10g} MHz in {self.unit}, "
            f"{self.segments} segments"
        )

    def same_measure(self, other: Geometry) -> bool:
        """Whether windows of both mean the same, whatever node and band are called.

        The lowest bins may be half a bin apart, as tuners round; the bins' widths a millionth.
        """
        return (
            (self.unit, self.bins, self.segments) == (other.unit, other.bins, other.segments)
            and bool(np.isclose(self.bin_hz, other.bin_hz, rtol=BIN_HZ_TOLERANCE, atol=0))
            and abs(self.first_hz - other.first_hz) <= FIRST_BIN_TOLERANCE * self.bin_hz
        )
