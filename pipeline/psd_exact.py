"""Rows of very wide range, made again in float64: a float32 FFT rounds 140 to 165 dB below a tone."""

from __future__ import annotations

import numpy as np
import scipy.fft
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from .frames import Int64
from .iq_samples import PlainSamples
from .psd_shape import PsdShape

WIDE_DB = 70.0
WIDE_UNAVERAGED_DB = 44.0
"""From these ranges of a row on, its quietest bins would be off by more than 1e-4 dB, as measured."""

_ENOUGH = 64
"""Frames to average the rounding out, and bins to spread it over: with fewer of either it shows sooner."""

_BLOCK_SAMPLES = 1 << 15


def wide_rows(power: NDArray[np.float64], shape: PsdShape) -> Int64:
    """Which rows [rows, bins] of power have so wide a range, or are beyond that of float32.

    Rows of NaN or infinity are among them: finite samples may have been too large to be squared.
    """
    averaged = shape.hold == "mean" and min(shape.frames_per_row, shape.bins) >= _ENOUGH
    range_db = WIDE_DB if averaged else WIDE_UNAVERAGED_DB
    loudest = power.max(axis=1, initial=0)
    with np.errstate(invalid="ignore", over="ignore"):
        wide = loudest > 10 ** (range_db / 10) * power.min(axis=1, initial=np.inf)
    return np.flatnonzero(wide | ~np.isfinite(loudest))


def exact_power(samples: PlainSamples, row: int, shape: PsdShape) -> NDArray[np.float64]:
    """Power of one row of the samples, held as the shape says: float64 [bins], DC first."""
    first = 2 * row * shape.samples_per_row
    numbers = samples.numbers[first : first + 2 * shape.samples_needed]
    frames = sliding_window_view(numbers, 2 * shape.bins)[:: 2 * shape.hop]
    weights = shape.exact_weights(samples.full)
    held = np.zeros(shape.bins)
    most = max(1, _BLOCK_SAMPLES // shape.bins)
    with np.errstate(invalid="ignore", over="ignore"):  # NaN and infinity stay what they are
        for start in range(0, shape.frames_per_row, most):
            weighted = (frames[start : start + most] - np.float64(samples.zero)) * weights
            spectra = np.asarray(
                scipy.fft.fft(weighted.view(np.complex128), axis=1, overwrite_x=True, workers=1)
            )
            parts = np.square(spectra.view(np.float64))
            power = parts[:, 0::2] + parts[:, 1::2]
            held = np.maximum(held, power.max(axis=0)) if shape.hold == "max" else held + power.sum(axis=0)
    return held if shape.hold == "max" else held / shape.frames_per_row
