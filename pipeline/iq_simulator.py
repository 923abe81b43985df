"""The samples of a simulated band: the transmissions whose power spectra `Simulator` makes, modulated."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
import scipy.signal
from numpy.typing import NDArray

from .modulation import Burst, bursts_of
from .patches import Transmission
from .scene import Scene
from .schedule import CHUNK_ROWS, Schedule
from .simulator import START_2026_NS
from .waveform import Complex128, Float64, Waveform

Complex64 = NDArray[np.complex64]

BLOCK_SAMPLES = 1 << 16
_FILTER_SIDE = 128  # taps of the receiver's filter on each side of its middle
_LOWPASS_SIDE = 48  # samples of the band on each side, for what reaches beyond it
_NOISE_KEY = 2**32 - 3
"""The spawn key of the noise's own generators: no chunk of a band has it."""


class IqSimulator:
    """An endless band of known truth as samples: `block(n)` gives the next, complex64, full scale 1.0.

    The same seed, scene and start as `Simulator`'s give the same transmissions at the same times, levels and
    frequencies. `PowerSpectrum(bins=scene.bins, frames_per_row=2 * samples a row / bins)` makes its rows of
    them, as far as one draw of noise is another: docs/simulator.md has the tolerances. How samples are asked
    for never changes them.

    `scene.averaged_spectra`, `bin_correlation` and `resolution_db` are the analyser's and mean nothing here.
    The noise is white; signals beyond the band's edges are cut off within 2 % of its width; the receiver's
    filter is one of 257 taps. Raises BadInput for an emitter whose modulation is not known.
    """

    def __init__(self, seed: int, *, scene: Scene | None = None, start_ns: int = START_2026_NS) -> None:
        self.scene = scene or Scene()
        self.start_ns = start_ns
        self.sample_rate_hz = self.scene.bins * self.scene.bin_hz
        # Bins are counted from the sample rate's middle, which for an even number of bins is one's centre.
        self.center_hz = self.scene.center_hz + (self.scene.bins // 2 - (self.scene.bins - 1) / 2) * (
            self.scene.bin_hz
        )
        self._schedule = Schedule(seed, self.scene, start_ns)
        self._drift = self.scene.drift(seed, start_ns)
        self._floor = 10 ** (self.scene.noise_floor_db / 10)
        self._filter = _receiver_taps(self.scene)
        self._line = math.sqrt(self._floor * (10 ** (self.scene.dc_line_db / 10) - 1))
        self._on_air: list[_OnAir] = []
        self._chunks_planned = 0
        self._blocks_made = 0
        self._unread = np.empty(0, np.complex64)
        # What the filter needs of the samples before and after those it makes.
        self._held = self._raw(-_FILTER_SIDE, 2 * _FILTER_SIDE, 0)

    def block(self, samples: int) -> Complex64:
        """The next samples, complex64 [samples]."""
        parts: list[Complex64] = []
        wanted = samples
        while wanted > 0:
            if not len(self._unread):
                self._unread = self._make_block(self._blocks_made)
                self._blocks_made += 1
            part, self._unread = self._unread[:wanted], self._unread[wanted:]
            parts.append(part)
            wanted -= len(part)
        return np.concatenate(parts) if parts else np.empty(0, np.complex64)

    def _make_block(self, number: int) -> Complex64:
        first = number * BLOCK_SAMPLES
        raw = self._raw(first + _FILTER_SIDE, BLOCK_SAMPLES, number + 1)
        around = np.concatenate([self._held, raw])
        self._held = around[BLOCK_SAMPLES:]
        received = scipy.signal.oaconvolve(around, self._filter, mode="valid")
        seconds = (first + np.arange(BLOCK_SAMPLES)) / self.sample_rate_hz
        line_hz = self.scene.center_hz - self.center_hz
        received += self._line * np.exp(2j * np.pi * line_hz * seconds)
        if self._drift is not None:
            received *= 10 ** (self._gain_db(seconds) / 20)
        return received.astype(np.complex64)

    def _raw(self, first: int, count: int, key: int) -> Complex128:
        """Noise and signals before the receiver's filter, from sample `first` on."""
        random = self._schedule.random(_NOISE_KEY, key)
        # A bin reads the noise's power in 1.5 bins' width: a Hann window's.
        deviation = math.sqrt(self._floor * self.scene.bins / 1.5 / 2)
        parts = deviation * random.standard_normal((count, 2))
        raw = parts.view(np.complex128)[:, 0]
        end_seconds = (first + count) / self.sample_rate_hz
        self._plan(end_seconds)
        begin_seconds = (first - 2 * _LOWPASS_SIDE) / self.sample_rate_hz
        self._on_air = [each for each in self._on_air if each.burst.end_seconds > begin_seconds]
        wide: dict[int, Complex128] = {}
        for each in self._on_air:
            if each.burst.start_seconds >= end_seconds + 2 * _LOWPASS_SIDE / self.sample_rate_hz:
                continue
            if each.times == 1:
                each.add_to(raw, first, self.sample_rate_hz)
            else:
                side, times = _LOWPASS_SIDE * each.times, each.times
                if times not in wide:
                    wide[times] = np.zeros(count * times + 2 * side, np.complex128)
                each.add_to(wide[times], first * times - side, self.sample_rate_hz * times)
        for times, samples in wide.items():
            kept = scipy.signal.upfirdn(_lowpass_taps(times), samples, 1, times)
            raw += kept[2 * _LOWPASS_SIDE :][:count]
        return raw

    def _plan(self, to_seconds: float) -> None:
        while self._schedule.borders(self._chunks_planned)[0] < to_seconds + 1.0:
            for sent in self._schedule.transmissions(self._chunks_planned):
                self._on_air += [self._prepared(burst) for burst in self._bursts(sent)]
            self._chunks_planned += 1

    def _bursts(self, sent: Transmission) -> list[Burst]:
        return bursts_of(sent, lambda payload: self._schedule.random(*sent.origin, payload))

    def _prepared(self, burst: Burst) -> _OnAir:
        offset_hz = burst.center_hz - self.center_hz
        reach = (abs(offset_hz) + burst.reach_hz) / self.sample_rate_hz
        # What lies between the band and the oversampled one's edge must not be mirrored into the band.
        times = 1 if reach <= 0.5 else max(2, math.ceil(reach + 0.6))
        return _OnAir(burst, offset_hz, times, self._floor * 10 ** (burst.power_db / 10), self.scene.bin_hz)

    def _gain_db(self, seconds: Float64) -> Float64:
        assert self._drift is not None
        row_seconds = self.scene.raster.row_seconds
        rows = np.floor(seconds / row_seconds).astype(np.intp)
        chunks = range(rows[0] // CHUNK_ROWS, rows[-1] // CHUNK_ROWS + 1)
        gains = [self._drift.rows_db(chunk * CHUNK_ROWS, CHUNK_ROWS, row_seconds) for chunk in chunks]
        return np.concatenate(gains)[rows - chunks[0] * CHUNK_ROWS]


class _OnAir:
    """A burst, its waveform once it is needed, and how often faster it is made than the band's samples."""

    def __init__(self, burst: Burst, offset_hz: float, times: int, level: float, bin_hz: float) -> None:
        self.burst = burst
        self.times = times
        self._offset_hz, self._level, self._bin_hz = offset_hz, level, bin_hz
        self._waveform: Waveform | None = None
        self._amplitude = 0.0

    def add_to(self, samples: Complex128, first: int, rate_hz: float) -> None:
        """Add what is sent to samples of which the first is number `first` at `rate_hz`."""
        begin = max(0, math.ceil(self.burst.start_seconds * rate_hz) - first)
        end = min(len(samples), math.ceil(self.burst.end_seconds * rate_hz) - first)
        if begin >= end:
            return
        if self._waveform is None:
            self._waveform = self.burst.make()
            self._amplitude = math.sqrt(self._level / self._waveform.reading(self._bin_hz))
        seconds = (first + np.arange(begin, end)) / rate_hz - self.burst.start_seconds
        carrier = self._amplitude * np.exp(2j * np.pi * self._offset_hz * seconds)
        samples[begin:end] += carrier * self._waveform.at(seconds)


@lru_cache(maxsize=8)
def _lowpass_taps(times: int) -> Float64:
    """Cut off at the band's edges: a windowed sinc, 60 dB down within 2 % of the band's width."""
    side = _LOWPASS_SIDE * times
    taps = np.sinc(np.arange(-side, side + 1) / times) * np.kaiser(2 * side + 1, 6.0)
    return taps / taps.sum()


def _receiver_taps(scene: Scene) -> Float64:
    """The receiver's filter as a symmetric one of 257 taps."""
    fineness = 4096
    places = (np.fft.fftfreq(fineness) + 0.5) * scene.bins - 0.5
    loss_db = np.interp(places, np.arange(scene.bins), scene.receiver_db())
    taps = np.fft.fftshift(np.fft.ifft(10 ** (loss_db / 20)).real)
    middle = fineness // 2
    kept = taps[middle - _FILTER_SIDE : middle + _FILTER_SIDE + 1]
    return kept * np.hamming(2 * _FILTER_SIDE + 1)
