"""Waveforms of constant power: chirps, Gaussian frequency-shift keying, wandering tones."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from .waveform import Complex128, Float64, hann_reading, offsets

_UP_SYMBOLS = 10.0  # eight of a preamble, two of a network's word
_DOWN_SYMBOLS = 2.25
_STRETCHES = 300


class LoraChirps:
    """Symbols [n], 0..2**factor - 1, each an upward sweep of the bandwidth that begins at its own frequency
    and wraps; before them ten sweeps from the bottom and 2.25 downward ones (Vangelista 2017, eq. 3; Semtech
    AN1200.22)."""

    def __init__(self, symbols: NDArray[np.integer], bandwidth_hz: float, symbol_seconds: float) -> None:
        self._symbols = symbols
        self._bandwidth_hz = bandwidth_hz
        self._symbol_seconds = symbol_seconds
        self._cycles = bandwidth_hz * symbol_seconds  # 2 ** factor

    def at(self, seconds: Float64) -> Complex128:
        places = np.maximum(seconds, 0.0) / self._symbol_seconds
        is_down = (places >= _UP_SYMBOLS) & (places < _UP_SYMBOLS + _DOWN_SYMBOLS)
        is_data = places >= _UP_SYMBOLS + _DOWN_SYMBOLS
        data = places - (_UP_SYMBOLS + _DOWN_SYMBOLS)
        index = np.clip(np.floor(data).astype(np.intp), 0, len(self._symbols) - 1)
        first = np.where(is_data, self._symbols[index] / self._cycles, 0.0)
        within = np.where(is_data, data, places) % 1.0
        # The integral of a frequency that rises from `first` - 1/2 by 1 and is 1 less after it wrapped.
        phase = within * (first - 0.5) + within**2 / 2 - np.maximum(within - (1 - first), 0.0)
        phase = np.where(is_down, -phase, phase)
        return np.exp(2j * np.pi * self._cycles * phase)

    def reading(self, bin_hz: float) -> float:
        offset_hz = offsets(self._bandwidth_hz, bin_hz)
        return hann_reading(offset_hz, np.ones_like(offset_hz), bin_hz)


class GaussianFsk:
    """Bits [n] of +1 and -1 that shift the frequency by `deviation_hz` up and down, through a Gaussian filter
    of bandwidth-time product 0.5; its phase is continuous. `reading` is that of one of its two tones."""

    def __init__(self, bits: Float64, deviation_hz: float, bit_hz: float) -> None:
        self._deviation_hz = deviation_hz
        self._bit_hz = bit_hz
        self._bits = np.concatenate([np.zeros(2), bits, np.zeros(3)])
        self._before = np.concatenate([[0.0], np.cumsum(self._bits)])

    def at(self, seconds: Float64) -> Complex128:
        places = seconds * self._bit_hz
        floor = np.floor(places)
        index = np.clip(floor.astype(np.intp) + 2, 2, len(self._bits) - 2)
        # A bit turns the phase from one bit before its start to two after; older ones have turned it in full.
        turned = self._before[index - 1]
        for behind in (-1, 0, 1):
            turned = turned + self._bits[index - behind] * _turned(places - floor + behind)
        return np.exp(2j * np.pi * self._deviation_hz / self._bit_hz * turned)

    def reading(self, bin_hz: float) -> float:
        return _measured_reading(self._deviation_hz, self._bit_hz, bin_hz)


class WanderingTone:
    """A tone whose frequency swings as a sine by `wander_hz` in `wander_seconds`."""

    def __init__(self, wander_hz: float, wander_seconds: float) -> None:
        self._wander_hz = wander_hz
        self._wander_seconds = wander_seconds

    def at(self, seconds: Float64) -> Complex128:
        turns = 2 * np.pi * seconds / self._wander_seconds
        return np.exp(1j * self._wander_hz * self._wander_seconds * (1 - np.cos(turns)))

    def reading(self, bin_hz: float) -> float:  # noqa: ARG002 - a tone is a tone in bins of any width
        return 1.0


@lru_cache(maxsize=1)
def _turning() -> tuple[Float64, Float64]:
    """The share of its turn that a bit's filtered frequency has made, from one bit before to two after its
    start: the integral of a rectangle behind a Gaussian of 3 dB bandwidth 0.5 / T."""
    sigma = math.sqrt(math.log(2)) / (2 * np.pi * 0.5)
    places = np.linspace(-1.0, 2.0, 3001)
    erf = np.vectorize(math.erf)
    frequency = 0.5 * (erf(places / (sigma * math.sqrt(2))) - erf((places - 1) / (sigma * math.sqrt(2))))
    turned = np.concatenate([[0.0], np.cumsum((frequency[1:] + frequency[:-1]) / 2)])
    return places, turned / turned[-1]


def _turned(places: Float64) -> Float64:
    return np.interp(places, *_turning())


@lru_cache(maxsize=256)
def _measured_reading(deviation_hz: float, bit_hz: float, bin_hz: float) -> float:
    """Of 300 stretches of random bits, each as long as an analyser looks: there is no short closed form."""
    random = np.random.default_rng(0)
    analysed_seconds = 1 / bin_hz
    samples = min(max(64, math.ceil(16 * (deviation_hz + bit_hz) / bin_hz)), 1 << 16)
    bits = math.ceil(analysed_seconds * bit_hz) + 4
    seconds = np.arange(samples) / samples * analysed_seconds
    window = np.hanning(samples + 1)[:-1]
    window /= window.sum()
    # The strongest bin may lie to a side of the tone.
    tones_hz = deviation_hz + bit_hz * np.linspace(-0.5, 0.5, 9)
    tones = window * np.exp(-2j * np.pi * tones_hz[:, None] * seconds)
    powers = np.zeros(len(tones))
    for _ in range(_STRETCHES):
        wave = GaussianFsk(random.choice((-1.0, 1.0), bits), deviation_hz, bit_hz)
        powers += np.abs(tones @ wave.at(seconds + (1 + random.random()) / bit_hz)) ** 2 / _STRETCHES
    return float(powers.max())
