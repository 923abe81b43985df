"""What a transmission is as samples: a complex function of time, and what an analyser reads of it."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Float64 = NDArray[np.float64]
Complex128 = NDArray[np.complex128]


class Waveform(Protocol):
    """A modulated carrier around 0 Hz with a mean power of 1; all its random draws are made beforehand, so
    that its value at a time never depends on what was asked for before."""

    def at(self, seconds: Float64) -> Complex128:
        """Its values at times [n] since its start; times before it, or long after its end, mean nothing."""
        ...

    def reading(self, bin_hz: float) -> float:
        """What an analyser with bins of `bin_hz` behind a Hann window reads of it in its strongest bin, when
        that lies on the bin's centre: the share of the power of a tone as strong."""
        ...


def hann_response(offset_bins: Float64) -> Float64:
    """The power that an analyser's Hann window lets through, 1 on the bin's centre (Harris 1978, table 1:
    equivalent noise bandwidth 1.5 bins, 6 dB down one bin away)."""
    x = offset_bins
    return (np.sinc(x) + 0.5 * (np.sinc(x - 1) + np.sinc(x + 1))) ** 2


def hann_reading(offset_hz: Float64, density: Float64, bin_hz: float) -> float:
    """The reading at 0 Hz of a spectrum that has `density` (in any unit) at evenly spaced offsets [n]."""
    return float((density * hann_response(offset_hz / bin_hz)).sum() / density.sum())


def offsets(width_hz: float, bin_hz: float) -> Float64:
    """Evenly spaced offsets over a width, fine enough for its shape and for the bins."""
    step_hz = min(width_hz / 2000, bin_hz / 40)
    half = min(int(width_hz / 2 / step_hz), 1_000_000)
    return np.linspace(-width_hz / 2, width_hz / 2, 2 * half + 1, dtype=np.float64)
