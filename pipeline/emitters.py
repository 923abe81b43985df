"""The transmitters of the simulated band: each says what one of its transmissions radiates.

A range is `(least, most)`; each transmission draws from it uniformly. Powers are of the strongest bin of a
filled row above the noise floor. Frequencies are absolute.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, fields
from typing import ClassVar

import numpy as np

from .arrivals import Arrivals
from .errors import BadInput
from .patches import Patch, Transmission

Range = tuple[float, float]


@dataclass(frozen=True)
class Emitter(ABC):
    """A kind of transmitter: when it transmits and, per kind, what.

    Raises BadInput where a range is upside down or a length of time or a width is not positive.
    """

    arrivals: Arrivals
    kind: ClassVar[str]

    def __post_init__(self) -> None:
        for name, value in ((f.name, getattr(self, f.name)) for f in fields(self) if f.name != "arrivals"):
            least, most = value if isinstance(value, tuple) else (value, value)
            if not (math.isfinite(least) and math.isfinite(most) and least <= most):
                raise BadInput(f"{self.kind}: {name} is {value}, it must be finite and in rising order")
            if name in ("wander_hz", "pause_seconds"):
                if least < 0:
                    raise BadInput(f"{self.kind}: {name} is {value}, it must be at least 0")
            elif least <= 0 and not name.endswith("_db"):
                raise BadInput(f"{self.kind}: {name} is {value}, it must be above 0")

    @abstractmethod
    def transmit(self, start_seconds: float, random: np.random.Generator) -> list[Transmission]:
        """What it radiates from `start_seconds` on."""


@dataclass(frozen=True)
class SpreadFrames(Emitter):
    """IEEE 802.15.4 BPSK at 868.3 MHz: the chips' raised-cosine spectrum (roll-off 1) is wider than the
    band, so a frame and its answer are a stripe across it (IEEE 802.15.4-2011, 11.2.4)."""

    kind: ClassVar[str] = "ieee-802.15.4"
    center_hz: float
    chip_rate_hz: float
    burst_seconds: Range
    power_db: Range

    def transmit(self, start_seconds: float, random: np.random.Generator) -> list[Transmission]:
        end = start_seconds + random.uniform(*self.burst_seconds)
        width = 2 * self.chip_rate_hz
        patch = Patch(start_seconds, end, self.center_hz, width, width / 2, random.uniform(*self.power_db))
        return [Transmission(self.kind, (patch,))]


@dataclass(frozen=True)
class OqpskExchanges(Emitter):
    """IEEE 802.15.4 O-QPSK with half-sine chips: frames and their answers in turn, a few milliseconds each,
    so that a row sees all of an exchange as one faint stripe or two (IEEE 802.15.4-2011, 10.2)."""

    kind: ClassVar[str] = "ieee-802.15.4"
    center_hz: float
    chip_rate_hz: float
    frame_seconds: Range
    pause_seconds: Range
    frames: tuple[int, int]
    power_db: Range

    def transmit(self, start_seconds: float, random: np.random.Generator) -> list[Transmission]:
        level, width = random.uniform(*self.power_db), 1.5 * self.chip_rate_hz
        patches: list[Patch] = []
        start = start_seconds
        for _ in range(random.integers(*self.frames, endpoint=True)):
            end = start + random.uniform(*self.frame_seconds)
            patches.append(Patch(start, end, self.center_hz, width, width / 2, level, half_sine=True))
            start = end + random.uniform(*self.pause_seconds)
        return [Transmission(self.kind, tuple(patches))]


@dataclass(frozen=True)
class UltraNarrowHops(Emitter):
    """An ultra-narrowband uplink: each message is sent `hops` times, one after another, each at a frequency
    drawn anew. Every hop is an emission of its own."""

    kind: ClassVar[str] = "ultra-narrowband"
    center_hz: Range
    width_hz: Range
    hop_seconds: Range
    pause_seconds: Range
    power_db: Range
    hops: int = 3

    def transmit(self, start_seconds: float, random: np.random.Generator) -> list[Transmission]:
        width, level = random.uniform(*self.width_hz), random.uniform(*self.power_db)
        sent = []
        start = start_seconds
        for _ in range(self.hops):
            end = start + random.uniform(*self.hop_seconds)
            center = random.uniform(*self.center_hz)
            sent.append(Transmission(self.kind, (Patch(start, end, center, width, width / 2, level),)))
            start = end + random.uniform(*self.pause_seconds)
        return sent


@dataclass(frozen=True)
class LoraBursts(Emitter):
    """A chirp spread-spectrum packet: 2 ** spreading factor / bandwidth seconds a symbol, each one sweep."""

    kind: ClassVar[str] = "lora"
    center_hz: float
    bandwidth_hz: float
    spreading_factor: tuple[int, int]
    symbols: tuple[int, int]
    power_db: Range

    def transmit(self, start_seconds: float, random: np.random.Generator) -> list[Transmission]:
        symbol_seconds = 2 ** int(random.integers(*self.spreading_factor, endpoint=True)) / self.bandwidth_hz
        patch = Patch(
            start_seconds,
            start_seconds + symbol_seconds * int(random.integers(*self.symbols, endpoint=True)),
            self.center_hz,
            self.bandwidth_hz,
            self.bandwidth_hz / 20,
            random.uniform(*self.power_db),
            sweep_seconds=symbol_seconds,
        )
        return [Transmission(self.kind, (patch,))]


@dataclass(frozen=True)
class FskTelemetry(Emitter):
    """A meter that keys two tones `deviation_hz` to either side of a fixed channel."""

    kind: ClassVar[str] = "fsk"
    center_hz: float
    deviation_hz: float
    tone_width_hz: float
    burst_seconds: Range
    power_db: Range

    def transmit(self, start_seconds: float, random: np.random.Generator) -> list[Transmission]:
        end, level = start_seconds + random.uniform(*self.burst_seconds), random.uniform(*self.power_db)
        width = self.tone_width_hz
        tones = (self.center_hz - self.deviation_hz, self.center_hz + self.deviation_hz)
        patches = tuple(Patch(start_seconds, end, tone, width, width / 2, level) for tone in tones)
        return [Transmission(self.kind, patches)]


@dataclass(frozen=True)
class OokRemote(Emitter):
    """A button pressed: the same short code repeated with pauses, from one of many cheap oscillators."""

    kind: ClassVar[str] = "ook"
    center_hz: Range
    width_hz: float
    code_seconds: Range
    pause_seconds: Range
    repeats: tuple[int, int]
    power_db: Range

    def transmit(self, start_seconds: float, random: np.random.Generator) -> list[Transmission]:
        center, level = random.uniform(*self.center_hz), random.uniform(*self.power_db)
        code, pause = random.uniform(*self.code_seconds), random.uniform(*self.pause_seconds)
        starts = (
            start_seconds + n * (code + pause) for n in range(random.integers(*self.repeats, endpoint=True))
        )
        width = self.width_hz
        codes = tuple(Patch(start, start + code, center, width, width / 2, level) for start in starts)
        return [Transmission(self.kind, codes)]


@dataclass(frozen=True)
class Carrier(Emitter):
    """A continuous carrier whose frequency swings slowly, as the temperature of its crystal does."""

    kind: ClassVar[str] = "carrier"
    center_hz: float
    width_hz: float
    wander_hz: float
    wander_seconds: float
    on_seconds: Range
    power_db: Range

    def transmit(self, start_seconds: float, random: np.random.Generator) -> list[Transmission]:
        patch = Patch(
            start_seconds,
            start_seconds + random.uniform(*self.on_seconds),
            self.center_hz,
            self.width_hz,
            self.width_hz / 2,
            random.uniform(*self.power_db),
            wander_hz=self.wander_hz,
            wander_seconds=self.wander_seconds,
        )
        return [Transmission(self.kind, (patch,))]


@dataclass(frozen=True)
class WidebandInterference(Emitter):
    """A broad hump whose level changes every `slice_seconds` by up to `fade_db`, as a motor's or a
    converter's does."""

    kind: ClassVar[str] = "interference"
    center_hz: Range
    width_hz: Range
    burst_seconds: Range
    slice_seconds: float
    fade_db: float
    power_db: Range

    def transmit(self, start_seconds: float, random: np.random.Generator) -> list[Transmission]:
        end, level = start_seconds + random.uniform(*self.burst_seconds), random.uniform(*self.power_db)
        center, width = random.uniform(*self.center_hz), random.uniform(*self.width_hz)
        slices = max(1, round((end - start_seconds) / self.slice_seconds))
        borders = np.linspace(start_seconds, end, slices + 1)
        levels = level - self.fade_db * random.random(slices)
        patches = tuple(
            Patch(float(borders[n]), float(borders[n + 1]), center, width, width / 2, float(levels[n]))
            for n in range(slices)
        )
        return [Transmission(self.kind, patches)]
