"""IQ samples -> rows of power spectrum, averaged after Welch (1967)."""

from __future__ import annotations

import numpy as np
import scipy.fft
import scipy.signal
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from .errors import BadInput
from .frames import Complex64, Float32

SILENCE_DB = float(10 * np.log10(np.float64(np.finfo(np.float32).tiny)))
"""What silence reads: the smallest normal float32 as power, about -379.3 dB."""

MOST_BINS = 1 << 20
_BLOCK_FRAMES = 32


class PowerSpectrum:
    """The mean power of overlapping windowed FFT frames, in dBFS/bin, DC in the middle.

    A complex tone of full scale (amplitude 1.0) on a bin's centre reads 0 dB: the window's coherent gain
    is divided out. Noise then reads higher than its density times `bin_hz`, by `enbw_bins`.

    Row `r` averages `frames_per_row` frames of `bins` samples, `hop` apart, from sample
    `r * samples_per_row` on. Rows abut: the last frames of a row reach `bins - hop` samples into the next,
    so that no sample is left out and none but the window decides its weight.

    Each row is made of its own samples only, in blocks of frames counted from its start: how the samples
    were cut into calls never changes an answer, to the bit. A NaN makes NaN of the rows whose frames hold
    it, and of no other. Silence reads `SILENCE_DB`, so that a finite input never gives an infinite row.

    Raises BadInput for a shape that cannot be.
    """

    def __init__(
        self, bins: int = 1024, overlap: float = 0.5, frames_per_row: int = 256, window: str = "hann"
    ) -> None:
        if not 2 <= bins <= MOST_BINS:
            raise BadInput(f"psd bins is {bins}: must be 2..{MOST_BINS}")
        if not 0 <= overlap < 1:
            raise BadInput(f"psd overlap is {overlap}: must be at least 0 and less than 1")
        if frames_per_row < 1:
            raise BadInput(f"psd frames_per_row is {frames_per_row}: must be at least 1")
        try:
            shape = np.asarray(scipy.signal.get_window(window, bins), dtype=np.float64)
        except ValueError as error:
            raise BadInput(f"psd window is {window!r}: {_one_line(error)}") from error
        self.bins = bins
        self.overlap = overlap
        self.frames_per_row = frames_per_row
        self.window = window
        self.hop = max(1, bins - round(bins * overlap))
        gain = shape.sum()
        self._enbw_bins = float(bins * np.square(shape).sum() / gain**2)
        # Each weight twice: real and imaginary parts are weighted as floats, which numpy rounds alike
        # wherever a frame lies in memory.
        self._weights: Float32 = np.repeat(shape / gain, 2).astype(np.float32)

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

    def rows(self, iq: Complex64) -> Float32:
        """Whole rows of samples complex64 [n], full scale 1.0 -> float32 [rows, bins] in dBFS/bin.

        Samples after the last whole row are left out. Raises BadInput where `iq` is not one channel of
        complex samples.
        """
        samples = as_samples(iq)
        count = self.rows_in(samples.shape[0])
        power_db = np.empty((count, self.bins), np.float32)
        scratch = np.empty((min(_BLOCK_FRAMES, self.frames_per_row), 2 * self.bins), np.float32)
        for row in range(count):
            start = row * self.samples_per_row
            power_db[row] = self._row(samples[start : start + self.samples_needed], scratch)
        return power_db

    def _row(self, samples: Complex64, scratch: Float32) -> NDArray[np.float64]:
        floats = samples.view(np.float32)
        frames = sliding_window_view(floats, 2 * self.bins)[:: 2 * self.hop]
        power = np.zeros(self.bins, np.float64)
        # NaN and infinity are answers here: they show in the row.
        with np.errstate(invalid="ignore", over="ignore"):
            for start in range(0, self.frames_per_row, _BLOCK_FRAMES):
                block = frames[start : start + _BLOCK_FRAMES]
                weighted = np.multiply(block, self._weights, out=scratch[: block.shape[0]])
                spectra = np.asarray(scipy.fft.fft(weighted.view(np.complex64), axis=1, overwrite_x=True))
                parts = spectra.view(np.float32)
                squares = np.add.reduce(np.square(parts, out=parts), axis=0)
                power += squares[0::2]
                power += squares[1::2]
            power /= self.frames_per_row
        return 10 * np.log10(np.maximum(np.fft.fftshift(power), np.finfo(np.float32).tiny))


def as_samples(iq: Complex64) -> Complex64:
    """The samples as contiguous complex64 [n]; raises BadInput where they are not complex samples."""
    array = np.asarray(iq)
    if array.ndim != 1 or array.dtype.kind != "c":
        raise BadInput(
            f"IQ samples are {array.dtype} of shape {list(array.shape)}: must be complex64 of shape [n]"
        )
    with np.errstate(over="ignore"):
        return np.ascontiguousarray(array, dtype=np.complex64)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
