"""More transmitters, for bands beyond the short-range devices': lines that move, breathe or come in combs.

What moves is told in steps, which are best as long as a row. What a range is and what powers mean:
`emitters.py`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from .broad_emitters import steps
from .emitters import Emitter, Range
from .patches import Patch, Transmission


@dataclass(frozen=True)
class Sweeps(Emitter):
    """A tone that sweeps from `low_hz` up to `high_hz` for `rise_share` of `sweep_seconds` and back down for
    the rest: 1 is a sawtooth, 0.5 a triangle. Its power is constant, so that what a row shows of it is as
    much fainter as it is wider. Every sweep is an emission of its own."""

    kind: ClassVar[str] = "sweep"
    low_hz: float
    high_hz: float
    width_hz: float
    sweep_seconds: float
    rise_share: float
    sweeps: tuple[int, int]
    step_seconds: float
    power_db: Range

    def transmit(self, start_seconds: float, random: np.random.Generator) -> list[Transmission]:
        level = random.uniform(*self.power_db)
        return [
            Transmission(self.kind, self._sweep(start_seconds + n * self.sweep_seconds, level))
            for n in range(random.integers(*self.sweeps, endpoint=True))
        ]

    def _sweep(self, start_seconds: float, level: float) -> tuple[Patch, ...]:
        rise = min(self.rise_share, 1.0)
        top, end = start_seconds + rise * self.sweep_seconds, start_seconds + self.sweep_seconds
        span_hz = self.high_hz - self.low_hz
        # What a whole step shows of the slower way; `level` is that step's.
        slow_hz = self.width_hz + span_hz * self.step_seconds / (max(rise, 1 - rise) * self.sweep_seconds)
        patches: list[Patch] = []
        for from_s, to_s, from_hz, to_hz in (
            (start_seconds, top, self.low_hz, self.high_hz),
            (top, end, self.high_hz, self.low_hz),
        ):
            if to_s <= from_s:
                continue
            slope = (to_hz - from_hz) / (to_s - from_s)
            for since, until in steps(from_s, to_s, self.step_seconds):
                # A part of a step is painted as wide as a whole one, or it would be brighter.
                width = min(max(slow_hz, abs(slope) * (until - since) + self.width_hz), span_hz)
                center = from_hz + slope * ((since + until) / 2 - from_s)
                center = min(max(center, self.low_hz + width / 2), self.high_hz - width / 2)
                edge = min(self.width_hz, width) / 2
                power_db = level - 10 * math.log10(width / min(slow_hz, span_hz))
                patches.append(Patch(since, until, center, width, edge, power_db))
        return tuple(patches)


@dataclass(frozen=True)
class DriftingCarrier(Emitter):
    """A carrier that moves by twice `drift_hz` while it is on. With a `curve` below 1 it moves steadily,
    upwards or downwards; above, as the Doppler shift of what passes by: it falls, fastest in the middle."""

    kind: ClassVar[str] = "drifting-carrier"
    center_hz: float
    drift_hz: float
    curve: float
    width_hz: float
    on_seconds: Range
    step_seconds: float
    power_db: Range

    def transmit(self, start_seconds: float, random: np.random.Generator) -> list[Transmission]:
        on_seconds, level = random.uniform(*self.on_seconds), random.uniform(*self.power_db)
        drift_hz = self.drift_hz if self.curve < 1 and random.random() < 0.5 else -self.drift_hz
        patches: list[Patch] = []
        for since, until in steps(start_seconds, start_seconds + on_seconds, self.step_seconds):
            from_hz, to_hz = (
                drift_hz * self._moved((seconds - start_seconds) / on_seconds) for seconds in (since, until)
            )
            width = self.width_hz + abs(to_hz - from_hz)
            center = self.center_hz + (from_hz + to_hz) / 2
            patches.append(Patch(since, until, center, width, width / 2, level))
        return [Transmission(self.kind, tuple(patches))]

    def _moved(self, place: float) -> float:
        """From -1 to 1 while `place` goes from 0 to 1: the radial speed of a straight, even passage."""
        x = self.curve * (2 * place - 1)
        return x / math.hypot(1, x) * math.hypot(1, self.curve) / self.curve


@dataclass(frozen=True)
class Comb(Emitter):
    """Equally spaced lines, as a switching supply's harmonics: all swing alike by `wander_hz`, each stands up
    to `unevenness_db` below the strongest."""

    kind: ClassVar[str] = "comb"
    first_hz: float
    spacing_hz: float
    lines: int
    width_hz: float
    wander_hz: float
    wander_seconds: float
    on_seconds: Range
    unevenness_db: float
    power_db: Range

    def transmit(self, start_seconds: float, random: np.random.Generator) -> list[Transmission]:
        end, level = start_seconds + random.uniform(*self.on_seconds), random.uniform(*self.power_db)
        patches = tuple(
            Patch(
                start_seconds,
                end,
                self.first_hz + n * self.spacing_hz,
                self.width_hz,
                self.width_hz / 2,
                level - self.unevenness_db * random.random(),
                wander_hz=self.wander_hz,
                wander_seconds=self.wander_seconds,
            )
            for n in range(self.lines)
        )
        return [Transmission(self.kind, patches)]


@dataclass(frozen=True)
class FmVoice(Emitter):
    """Narrowband FM, as long as somebody presses to talk: as wide as `width_hz` says, narrow where the voice
    is silent, wide where it is loud. Its power is constant, so that it is brightest where it is narrow."""

    kind: ClassVar[str] = "fm-voice"
    center_hz: float
    width_hz: Range
    talk_seconds: Range
    step_seconds: float
    power_db: Range

    def transmit(self, start_seconds: float, random: np.random.Generator) -> list[Transmission]:
        end, level = start_seconds + random.uniform(*self.talk_seconds), random.uniform(*self.power_db)
        narrow, wide = self.width_hz
        pieces = steps(start_seconds, end, self.step_seconds)
        patches: list[Patch] = []
        for (since, until), loudness in zip(pieces, _voice(len(pieces), random), strict=True):
            width = narrow + (wide - narrow) * loudness
            power_db = level - 10 * math.log10(width / narrow)
            patches.append(Patch(since, until, self.center_hz, width, width / 2, power_db))
        return [Transmission(self.kind, tuple(patches))]


@dataclass(frozen=True)
class AmVoice(Emitter):
    """A carrier and, `offset_hz` to its sides, two alike sidebands, at their loudest `sides_db` stronger than
    it (below 0: weaker), following the voice by another 15 dB."""

    kind: ClassVar[str] = "am"
    center_hz: float
    width_hz: float
    offset_hz: float
    side_width_hz: float
    on_seconds: Range
    step_seconds: float
    sides_db: float
    power_db: Range

    def transmit(self, start_seconds: float, random: np.random.Generator) -> list[Transmission]:
        end, level = start_seconds + random.uniform(*self.on_seconds), random.uniform(*self.power_db)
        patches = [Patch(start_seconds, end, self.center_hz, self.width_hz, self.width_hz / 2, level)]
        pieces = steps(start_seconds, end, self.step_seconds)
        for (since, until), loudness in zip(pieces, _voice(len(pieces), random), strict=True):
            power_db = level + self.sides_db - 15 * (1 - loudness)
            patches += [
                Patch(since, until, center, self.side_width_hz, self.side_width_hz / 2, power_db)
                for center in (self.center_hz - self.offset_hz, self.center_hz + self.offset_hz)
            ]
        return [Transmission(self.kind, tuple(patches))]


def _voice(count: int, random: np.random.Generator) -> list[float]:
    """How loud a voice is, 0..1, step by step: syllables that hang together, and pauses."""
    loudness = []
    is_speaking, held = True, 0.5
    for change, drawn in random.random((count, 2)).tolist():
        is_speaking = change < (0.85 if is_speaking else 0.35)
        held = 0.4 * held + 0.6 * drawn
        loudness.append(held if is_speaking else 0.0)
    return loudness
