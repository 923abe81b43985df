"""A band of what no other scene has: what a detector of novelty should find new, whatever it was taught."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from .arrivals import Periodic, Poisson
from .broad_emitters import steps
from .emitters import Emitter, Range
from .patches import Patch, Transmission
from .scene import Scene


@dataclass(frozen=True)
class ZigzagComb(Emitter):
    """Several parallel lines that zigzag together: a triangle of `swing_hz` to both sides."""

    kind: ClassVar[str] = "zigzag-comb"
    center_hz: Range
    spacing_hz: float
    lines: int
    width_hz: float
    swing_hz: float
    zigzag_seconds: float
    zigzags: tuple[int, int]
    step_seconds: float
    power_db: Range

    def transmit(self, start_seconds: float, random: np.random.Generator) -> list[Transmission]:
        center, level = random.uniform(*self.center_hz), random.uniform(*self.power_db)
        end = start_seconds + self.zigzag_seconds * int(random.integers(*self.zigzags, endpoint=True))
        slope = 4 * self.swing_hz / self.zigzag_seconds
        width = self.width_hz + slope * self.step_seconds
        patches: list[Patch] = []
        for since, until in steps(start_seconds, end, self.step_seconds):
            place = ((since + until) / 2 - start_seconds) / self.zigzag_seconds % 1.0
            swung_hz = self.swing_hz * (1 - 4 * abs(place - 0.5))
            patches += [
                Patch(since, until, center + swung_hz + n * self.spacing_hz, width, width / 2, level)
                for n in range(self.lines)
            ]
        return [Transmission(self.kind, tuple(patches))]


@dataclass(frozen=True)
class WideningBurst(Emitter):
    """A burst whose width grows evenly from the narrower to the wider of `width_hz` while it lasts."""

    kind: ClassVar[str] = "widening-burst"
    center_hz: Range
    width_hz: Range
    burst_seconds: Range
    step_seconds: float
    power_db: Range

    def transmit(self, start_seconds: float, random: np.random.Generator) -> list[Transmission]:
        center, level = random.uniform(*self.center_hz), random.uniform(*self.power_db)
        seconds = random.uniform(*self.burst_seconds)
        narrow, wide = self.width_hz
        patches: list[Patch] = []
        for since, until in steps(start_seconds, start_seconds + seconds, self.step_seconds):
            width = narrow + (wide - narrow) * ((since + until) / 2 - start_seconds) / seconds
            patches.append(Patch(since, until, center, width, 0.1 * width, level))
        return [Transmission(self.kind, tuple(patches))]


@dataclass(frozen=True)
class ToneStairs(Emitter):
    """A ring of tones, one at a time, each one step above the one before; above the last comes the first."""

    kind: ClassVar[str] = "tone-stairs"
    first_hz: Range
    spacing_hz: float
    tones: int
    width_hz: float
    tone_seconds: float
    steps: tuple[int, int]
    power_db: Range

    def transmit(self, start_seconds: float, random: np.random.Generator) -> list[Transmission]:
        first, level = random.uniform(*self.first_hz), random.uniform(*self.power_db)
        patches = tuple(
            Patch(
                start_seconds + n * self.tone_seconds,
                start_seconds + (n + 1) * self.tone_seconds,
                first + n % self.tones * self.spacing_hz,
                self.width_hz,
                self.width_hz / 2,
                level,
            )
            for n in range(random.integers(*self.steps, endpoint=True))
        )
        return [Transmission(self.kind, patches)]


def strange_scene() -> Scene:
    """The geometry and the noise of the default band; each kind a few times in ten minutes, 12 to 20 dB over
    the floor, no wider than a window."""
    row_seconds = Scene(emitters=()).raster.row_seconds
    return Scene(
        emitters=(
            ZigzagComb(
                Poisson(50),
                (868.215e6, 868.377e6),
                3.2e3,
                4,
                300.0,
                3.6e3,
                4.0,
                (3, 8),
                row_seconds,
                (12, 20),
            ),
            WideningBurst(
                Periodic(55.0, 5.0, 12.0),
                (868.215e6, 868.377e6),
                (400.0, 20e3),
                (4.0, 16.0),
                row_seconds,
                (12, 20),
            ),
            ToneStairs(Poisson(50), (868.202e6, 868.370e6), 2.4e3, 8, 400.0, 0.8, (16, 40), (12, 20)),
        )
    )
