"""Waveforms made of pulses: phase-shift keying, band-limited noise, offset QPSK, on-off keying."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .patches import half_sine_spectrum
from .waveform import Complex128, Float64, hann_reading, offsets

_REACH = 6  # symbols on each side: the pulse falls by the square of the time, to 1/576 of its top there
_FINENESS = 1024  # steps a symbol in the pulse's table

# The pulse of roll-off 1, of unit energy: 4/pi cos(2 pi x) / (1 - 16 x^2), from -6 to 6 symbols.
_STEPS = np.arange(-_REACH * _FINENESS, _REACH * _FINENESS + 1) / _FINENESS
_PULSE = np.sinc(2 * _STEPS - 0.5) + np.sinc(2 * _STEPS + 0.5)


class PulseTrain:
    """Symbols [n], of mean power 1, on root raised cosine pulses of roll-off 1: its spectrum is a raised
    cosine as wide as twice the symbol rate. Signs make it (D)BPSK; complex Gaussian numbers make it noise."""

    def __init__(self, symbols: Float64 | Complex128, symbol_hz: float) -> None:
        self.symbol_hz = symbol_hz
        self._symbols = np.concatenate([np.zeros(_REACH), symbols, np.zeros(_REACH)])

    def at(self, seconds: Float64) -> Complex128:
        places = seconds * self.symbol_hz
        floor = np.floor(places)
        steps = np.rint((places - floor) * _FINENESS).astype(np.intp)
        newest = np.clip(floor.astype(np.intp) + _REACH, _REACH, len(self._symbols) - _REACH - 1)
        out = np.zeros(len(seconds), np.complex128)
        for behind in range(-_REACH, _REACH):
            # The symbol so many before the newest, that much later in its pulse.
            out += self._symbols[newest - behind] * _PULSE[steps + (behind + _REACH) * _FINENESS]
        return out

    def reading(self, bin_hz: float) -> float:
        offset_hz = offsets(2 * self.symbol_hz, bin_hz)
        return hann_reading(offset_hz, 0.5 + 0.5 * np.cos(np.pi * offset_hz / self.symbol_hz), bin_hz)


class OffsetQpsk:
    """Chips [n] of +1 and -1, in turn in phase and in quadrature, each a half sine of two chips' length:
    constant in power, the spectrum of minimum-shift keying (IEEE 802.15.4-2011, 10.2.5 and 10.2.6)."""

    def __init__(self, chips: Float64, chip_hz: float) -> None:
        self.chip_hz = chip_hz
        self._in_phase, self._quadrature = chips[0::2], chips[1::2]

    def at(self, seconds: Float64) -> Complex128:
        places = seconds * self.chip_hz / 2
        return _half_sines(self._in_phase, places) + 1j * _half_sines(self._quadrature, places - 0.5)

    def reading(self, bin_hz: float) -> float:
        offset_hz = offsets(16 * self.chip_hz, bin_hz)
        return hann_reading(offset_hz, half_sine_spectrum(offset_hz / self.chip_hz), bin_hz)


def _half_sines(signs: Float64, places: Float64) -> Float64:
    newest = np.floor(places)
    index = np.clip(newest.astype(np.intp), 0, len(signs) - 1)
    return signs[index] * np.sin(np.pi * (places - newest))


class OnOffPulses:
    """A keyed oscillator: in every bit one mark, in its first or its second half, as `late` [n] says.

    A mark's envelope is a raised cosine, so that the hump is 4 / `mark_seconds` wide, null to null; its phase
    [n] is its own, as the oscillator starts anew, so that there is no carrier line.
    """

    def __init__(self, late: NDArray[np.bool_], phases: Float64, mark_seconds: float) -> None:
        self.mark_seconds = mark_seconds
        self._late = late
        # A mark holds 3/8 of its top's power, and half of the time is silence.
        self._amplitudes = np.exp(1j * phases) / np.sqrt(3 / 16)

    def at(self, seconds: Float64) -> Complex128:
        halves = np.maximum(np.floor(seconds / self.mark_seconds).astype(np.intp), 0)
        bit = np.minimum(halves // 2, len(self._late) - 1)
        marked = (halves % 2 == 1) == self._late[bit]
        envelope = 0.5 - 0.5 * np.cos(2 * np.pi * seconds / self.mark_seconds)
        return np.where(marked, envelope * self._amplitudes[bit], 0.0)

    def reading(self, bin_hz: float) -> float:
        # The spectrum of one mark is a Hann window's: null to null four times the inverse of its length.
        offset_hz = offsets(16 / self.mark_seconds, bin_hz)
        x = offset_hz * self.mark_seconds
        density = (np.sinc(x) + 0.5 * (np.sinc(x - 1) + np.sinc(x + 1))) ** 2
        return hann_reading(offset_hz, density, bin_hz)
