"""Scenes drawn at random, so that what is trained on many of them knows no band by heart.

Widths are drawn in bins and lengths in rows, because a window is 128 x 128 of those whatever they span.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from .arrivals import Arrivals, Periodic, Poisson
from .emitters import (
    Carrier,
    Emitter,
    FskTelemetry,
    LoraBursts,
    OokRemote,
    SpreadFrames,
    UltraNarrowHops,
    WidebandInterference,
)
from .scene import Scene

_SCENE_KEY = 2**32 - 1
"""The spawn key of the scene's own generator: no chunk of a band has it."""

MAX_EMITTERS = 12


def varied_scene(seed: int) -> Scene:
    """The scene of a seed: 0 to 12 emitters of random kinds, noise of 0.3..4 dB standard deviation, 256..2048
    bins of 20 Hz..20 kHz, 1..20 rows a second, any roll-off to 6 dB and DC line to 12 dB."""
    return VariedDraw(np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(_SCENE_KEY,)))).scene()


class VariedDraw:
    """The draws of one scene, in their order."""

    def __init__(self, random: np.random.Generator) -> None:
        self._random = random
        self._bins = int(random.choice((256, 512, 1024, 1024, 1024, 2048)))
        self._bin_hz = self._log(20.0, 20e3)
        self._rows_per_second = round(self._log(1.0, 20.0), 1)
        self._center_hz = round(random.uniform(100e6, 2.6e9), -3)

    def scene(self) -> Scene:
        makers = (
            self._spread, self._hops, self._lora, self._fsk, self._ook, self._carrier, self._interference,
        )  # fmt: skip
        count = self._random.integers(0, MAX_EMITTERS, endpoint=True)
        return self.received(tuple(self._pick(makers)() for _ in range(count)))

    def received(self, emitters: tuple[Emitter, ...]) -> Scene:
        """Emitters as a receiver of any kind hears them."""
        # The variance of the log of a mean of K exponentials is trigamma(K), near 1 / K + 1 / (2 K^2).
        variance = (self._log(0.3, 4.0) * math.log(10) / 10) ** 2
        averaged_spectra = (1 + math.sqrt(1 + 2 * variance)) / (2 * variance)
        return Scene(
            center_hz=self._center_hz,
            bin_hz=self._bin_hz,
            bins=self._bins,
            rows_per_second=self._rows_per_second,
            noise_floor_db=self._random.uniform(-140.0, -60.0),
            averaged_spectra=averaged_spectra,
            roll_off_db=float(self._random.choice((0.0, self._random.uniform(0.5, 6.0)))),
            roll_off_share=self._random.uniform(0.01, 0.2),
            dc_line_db=float(self._random.choice((0.0, self._random.uniform(0.5, 12.0)))),
            bin_correlation=float(self._random.choice((0.0, self._random.uniform(0.1, 0.5)))),
            resolution_db=float(self._random.choice((0.0, 0.0, 0.0, 0.5, 1.0))),
            emitters=emitters,
        )

    def _pick(self, makers: tuple[Callable[[], Emitter], ...]) -> Callable[[], Emitter]:
        return makers[self._random.integers(len(makers))]

    def _log(self, least: float, most: float) -> float:
        return math.exp(self._random.uniform(math.log(least), math.log(most)))

    def _bins_hz(self, least: float, most: float) -> float:
        """A width between so many bins, never more than a third of the band."""
        return min(self._log(least, most), self._bins / 3) * self._bin_hz

    def _rows_seconds(self, least: float, most: float) -> tuple[float, float]:
        """A range of lengths within so many rows."""
        shortest = self._log(least, most)
        return shortest / self._rows_per_second, shortest * self._random.uniform(1, 3) / self._rows_per_second

    def _power_db(self, least: float = 2.0, most: float = 30.0) -> tuple[float, float]:
        weakest = self._random.uniform(least, most)
        return weakest, weakest + self._random.uniform(0, 8)

    def _center(self, width_hz: float) -> float:
        """A channel that lies in the band."""
        reach_hz = max(0.0, self._bins * self._bin_hz - width_hz) / 2
        return self._center_hz + self._random.uniform(-reach_hz, reach_hz)

    def _band_hz(self) -> tuple[float, float]:
        """From the lowest bin to the highest."""
        reach_hz = (self._bins - 1) / 2 * self._bin_hz
        return self._center_hz - reach_hz, self._center_hz + reach_hz

    def _arrivals(self, burst_seconds: float, most_busy_share: float = 0.3) -> Arrivals:
        """Random or regular arrivals that keep the emitter busy for 0.5 % to 30 % of the time."""
        period = max(burst_seconds / self._log(0.005, most_busy_share), 1.5 / self._rows_per_second)
        if self._random.random() < 0.5:
            return Periodic(period, period * self._random.uniform(0, 0.2), self._random.uniform(0, period))
        return Poisson(3600 / period, self._random.uniform(0, 1), self._random.uniform(0, 24))

    def _spread(self) -> Emitter:
        burst = self._rows_seconds(0.2, 3)
        width_hz = self._bins * self._bin_hz * self._log(0.5, 4)
        return SpreadFrames(
            self._arrivals(burst[1], 0.15), self._center(width_hz), width_hz / 2, burst, self._power_db(2, 20)
        )

    def _hops(self) -> Emitter:
        hop, pause = self._rows_seconds(2, 20), self._rows_seconds(0.2, 3)
        hops = int(self._random.integers(1, 6))
        width_hz = self._bins_hz(0.3, 6)
        arrivals = self._arrivals(hops * hop[1], 0.8)
        widths = (width_hz, width_hz * 1.5)
        return UltraNarrowHops(arrivals, self._band_hz(), widths, hop, pause, self._power_db(4), hops)

    def _lora(self) -> LoraBursts:
        low, high = sorted(self._rows_seconds(1, 12))
        bandwidth_hz = self._bins_hz(30, 700)
        factor = int(self._random.integers(7, 13))
        symbol_seconds = 2**factor / bandwidth_hz
        symbols = max(1, round(low / symbol_seconds)), max(1, round(high / symbol_seconds))
        return LoraBursts(
            self._arrivals(max(high, symbol_seconds)),
            self._center(bandwidth_hz),
            bandwidth_hz,
            (factor, factor),
            symbols,
            self._power_db(2, 20),
        )

    def _fsk(self) -> Emitter:
        burst = self._rows_seconds(0.5, 60)
        tone_hz = self._bins_hz(1, 30)
        deviation_hz = tone_hz * self._random.uniform(0.4, 3)
        center_hz = self._center(2 * deviation_hz + tone_hz)
        arrivals = self._arrivals(burst[1])
        return FskTelemetry(arrivals, center_hz, deviation_hz, tone_hz, burst, self._power_db(4))

    def _ook(self) -> Emitter:
        code, pause = self._rows_seconds(0.1, 3), self._rows_seconds(0.2, 6)
        width_hz, spread_hz = self._bins_hz(2, 60), self._bins_hz(0.1, 30)
        center_hz = self._center(width_hz + spread_hz)
        return OokRemote(
            self._arrivals(8 * (code[1] + pause[1]), 0.6),
            (center_hz - spread_hz / 2, center_hz + spread_hz / 2),
            width_hz,
            code,
            pause,
            (2, 10),
            self._power_db(4),
        )

    def _carrier(self) -> Emitter:
        on = self._rows_seconds(100, 20_000)
        width_hz = self._bins_hz(0.1, 4)
        wander_hz = self._bins_hz(0.05, 12)
        period_seconds = on[1] * self._random.uniform(1, 2)
        return Carrier(
            Periodic(period_seconds, 0.1 * period_seconds),
            self._center(width_hz + 2 * wander_hz),
            width_hz,
            wander_hz,
            self._rows_seconds(100, 5_000)[1],
            on,
            self._power_db(3),
        )

    def _interference(self) -> Emitter:
        burst = self._rows_seconds(3, 80)
        width_hz = self._bins_hz(60, 2000)
        slice_seconds = self._rows_seconds(0.5, 6)[1]
        arrivals = self._arrivals(burst[1], 0.2)
        fade_db = self._random.uniform(0, 8)
        widths = (width_hz, 3 * width_hz)
        return WidebandInterference(
            arrivals, self._band_hz(), widths, burst, slice_seconds, fade_db, self._power_db(2, 18)
        )
