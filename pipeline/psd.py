"""IQ samples -> rows of power spectrum, averaged after Welch (1967)."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal, get_args

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from . import psd_fftw
from .errors import BadInput
from .frames import Float32
from .iq_samples import PlainSamples, plain_samples
from .psd_exact import exact_power, wide_rows
from .psd_shape import Hold, PsdShape, decibels

Engine = Literal["fftw", "scipy"]
EngineWanted = Literal["auto", "fftw", "scipy"]

MOST_THREADS = 256
_BLOCK_SAMPLES = 1 << 15  # that go through scipy's FFT at a time: they stay in the second cache
_CHUNK_SAMPLES = 1 << 16  # of power that waits to be made decibels: 512 KiB


class PowerSpectrum(PsdShape):
    """The power of overlapping windowed FFT frames, in dBFS/bin, DC in the middle; `PsdShape` says which.

    A complex tone of full scale (amplitude 1.0) on a bin's centre reads 0 dB: the window's coherent gain
    is divided out. Noise then reads higher than its density times `bin_hz`, by `enbw_bins`.

    Each row is made of its own samples only, frame by frame from its start: how the samples were cut into
    calls, and how many threads share the rows, never changes an answer, to the bit. NaN and infinity spoil
    the rows whose frames hold them, and no other. Silence reads `SILENCE_DB`, so that a finite input never
    gives an infinite row.

    `engine` is what does the FFT: FFTW, or scipy; `auto` takes FFTW where the extra `fftw` is installed.
    They round differently, by less than 1e-4 dB within 60 dB of a row's loudest bin and 1e-3 dB below; rows
    of a very wide range are made again in float64 (`psd_exact`). Several threads may use one object. The
    first row waits for the kernels to be loaded, or compiled: see `psd_kernels`.

    Raises BadInput for a shape that cannot be, or an engine that is not installed.
    """

    def __init__(
        self,
        bins: int = 1024,
        overlap: float = 0.5,
        frames_per_row: int = 256,
        window: str = "hann",
        *,
        hold: Hold = "mean",
        engine: EngineWanted = "auto",
        threads: int = 1,
    ) -> None:
        super().__init__(bins, overlap, frames_per_row, window, hold)
        if engine not in get_args(EngineWanted):
            raise BadInput(f"psd engine is {engine!r}: must be auto, fftw or scipy")
        if not 1 <= threads <= MOST_THREADS:
            raise BadInput(f"psd threads is {threads}: must be 1..{MOST_THREADS}")
        has_fftw = engine != "scipy" and psd_fftw.library() is not None
        if engine == "fftw" and not has_fftw:
            raise BadInput("psd engine is 'fftw': not here; pip install 'bandwatch[fftw]' brings it")
        self.engine: Engine = "fftw" if has_fftw else "scipy"
        self.threads = threads

    def rows(self, iq: NDArray[Any]) -> Float32:
        """Whole rows of samples -> float32 [rows, bins] in dBFS/bin.

        `iq` is complex64 [n], full scale 1.0, or interleaved int8, int16 or uint8 [n, 2], whose full scale
        `iq_samples` says. It is not copied where it is contiguous. Samples after the last whole row are
        left out. Raises BadInput where `iq` is not one channel of complex samples.
        """
        samples = plain_samples(iq)
        count = self.rows_in(samples.numbers.shape[0] // 2)
        power_db = np.empty((count, self.bins), np.float32)
        weights = self.weights(samples.full)

        def fill(rows: slice) -> None:
            start, end = 2 * rows.start * self.samples_per_row, 2 * rows.stop * self.samples_per_row
            numbers = samples.numbers[start : end + 2 * (self.bins - self.hop)]
            part = PlainSamples(numbers, samples.zero, samples.full)
            power = np.zeros((rows.stop - rows.start, self.bins))
            (self._by_fftw if self.engine == "fftw" else self._by_scipy)(part, weights, power)
            if self.hold == "mean":
                power /= self.frames_per_row
            for row in wide_rows(power, self):
                power[row] = exact_power(part, int(row), self)
            power_db[rows] = decibels(power)

        chunks = list(self._chunks(count))
        if self.threads == 1 or len(chunks) < 2:
            for rows in chunks:
                fill(rows)
        else:
            with ThreadPoolExecutor(min(self.threads, len(chunks))) as pool:
                list(pool.map(fill, chunks))
        return power_db

    def _chunks(self, count: int) -> Iterator[slice]:
        """Rows 0..count in parts: of bounded memory, and several for each thread: all end together."""
        parts = 1 if self.threads == 1 else 4 * self.threads
        step = max(1, min(_CHUNK_SAMPLES // self.bins, -(-count // parts)))
        for first in range(0, count, step):
            yield slice(first, min(first + step, count))

    def _by_fftw(self, samples: PlainSamples, weights: Float32, power: NDArray[np.float64]) -> None:
        from .psd_kernels import rows_by_fftw  # numba takes half a second: only who makes rows loads it

        fftw = psd_fftw.library()
        assert fftw is not None
        frame, spectrum, group = (psd_fftw.numbers_aligned(2 * self.bins) for _ in range(3))
        rows_by_fftw(samples.numbers.dtype)(
            samples.numbers,
            self.hop,
            self.frames_per_row,
            weights,
            samples.zero,
            self.hold == "max",
            psd_fftw.execute_address(fftw),
            psd_fftw.plan(self.bins),
            frame,
            spectrum,
            group,
            power,
        )

    def _by_scipy(self, samples: PlainSamples, weights: Float32, power: NDArray[np.float64]) -> None:
        from .psd_kernels import add_frames, weigh_frames

        weigh, add = weigh_frames(samples.numbers.dtype), add_frames()
        most = max(1, min(_BLOCK_SAMPLES // self.bins, self.frames_per_row))
        block = psd_fftw.numbers_aligned(most * 2 * self.bins).reshape(most, 2 * self.bins)
        group = np.empty(2 * self.bins, np.float32)
        for row, sums in enumerate(power):
            group[:] = 0
            for first in range(0, self.frames_per_row, most):
                frames = block[: self.frames_per_row - first]
                start = 2 * self.hop * (row * self.frames_per_row + first)
                weigh(samples.numbers[start:], self.hop, weights, samples.zero, frames)
                spectra = np.asarray(
                    scipy.fft.fft(frames.view(np.complex64), axis=1, overwrite_x=True, workers=1)
                )
                add(spectra.view(np.float32), self.hold == "max", group, sums)
