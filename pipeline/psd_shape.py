"""What a PSD row is made of: bins, window, overlap, frames; and how its power reads in decibels."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, Literal, get_args

import numpy as np
import scipy.signal
from numpy.typing import NDArray

from .errors import BadInput
from .frames import Float32

Hold = Literal["mean", "max"]

SILENCE_DB = float(10 * np.log10(np.float64(np.finfo(np.float32).tiny)))
"""What silence reads: the smallest normal float32 as power, about -379.3 dB."""

MOST_BINS = 1 << 20


class PsdShape(ABC):
    """How samples become rows, whatever computes them.

    Row `r` is of `frames_per_row` frames of `bins` samples, `hop` apart, from sample `r * samples_per_row`
    on. Rows abut: the last frames of a row reach `bins - hop` samples into the next, so that no sample is
    left out and none but the window decides its weight. `hold` is `mean` (Welch 1967) or `max`: the
    strongest frame in each bin.

    Raises BadInput for a shape that cannot be.
    """

    def __init__(self, bins: int, overlap: float, frames_per_row: int, window: str, hold: Hold) -> None:
        if not 2 <= bins <= MOST_BINS:
            raise BadInput(f"psd bins is {bins}: must be 2..{MOST_BINS}")
        if not 0 <= overlap < 1:
            raise BadInput(f"psd overlap is {overlap}: must be at least 0 and less than 1")
        if frames_per_row < 1:
            raise BadInput(f"psd frames_per_row is {frames_per_row}: must be at least 1")
        if hold not in get_args(Hold):
            raise BadInput(f"psd hold is {hold!r}: must be mean or max")
        try:
            shape = np.asarray(scipy.signal.get_window(window, bins), dtype=np.float64)
        except ValueError as error:
            raise BadInput(f"psd window is {window!r}: {' '.join(str(error).split())}") from error
        self.bins = bins
        self.overlap = overlap
        self.frames_per_row = frames_per_row
        self.window = window
        self.hold: Hold = hold
        self.hop = max(1, bins - round(bins * overlap))
        gain = shape.sum()
        self._enbw_bins = float(bins * np.square(shape).sum() / gain**2)
        # Each weight twice: I and Q stand in turn, and are weighted as plain numbers.
        self._weights: NDArray[np.float64] = np.repeat(shape / gain, 2)

    @abstractmethod
    def rows(self, iq: NDArray[Any]) -> Float32:
        """Whole rows of samples, as `iq_samples.plain_samples` takes them -> float32 [rows, bins], dBFS/bin.

        Samples after the last whole row are left out.
        """

    @property
    def enbw_bins(self) -> float:
        """The window's equivalent noise bandwidth, in bins: 1.5 for hann."""
        return self._enbw_bins

    @property
    def samples_per_row(self) -> int:
        """Samples from the start of one row to that of the next."""
        return self.frames_per_row * self.hop

    @property
    def samples_needed(self) -> int:
        """Samples a single row looks at: a row, and what its last frames reach beyond it."""
        return self.samples_per_row + self.bins - self.hop

    def rows_in(self, samples: int) -> int:
        """How many whole rows that many samples give."""
        return max(0, (samples - (self.bins - self.hop)) // self.samples_per_row)

    def weights(self, full: float) -> Float32:
        """The window over its sum, for numbers whose full scale is `full`: float32 [2 bins]."""
        return self.exact_weights(full).astype(np.float32)

    def exact_weights(self, full: float) -> NDArray[np.float64]:
        """The same in float64."""
        return self._weights / full


def decibels(power: NDArray[np.float64]) -> NDArray[np.float64]:
    """Power [rows, bins], DC first -> decibels, DC in the middle; never below `SILENCE_DB`."""
    with np.errstate(invalid="ignore"):  # NaN is an answer here
        return 10 * np.log10(np.maximum(np.fft.fftshift(power, axes=-1), np.finfo(np.float32).tiny))
