"""More transmitters, for bands beyond the short-range devices': blocks of power that are keyed in time.

What a range is and what powers mean: `emitters.py`. The lines that move or breathe are in `line_emitters.py`.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from .emitters import Emitter, Range
from .patches import Patch, Transmission

_STEEP = 0.03
"""The share of its width that each side of a block of many subcarriers takes."""


@dataclass(frozen=True)
class OfdmPackets(Emitter):
    """Orthogonal subcarriers: a block with a flat top and steep sides. Frames follow each other, every second
    one an answer of its own length, `answer_db` stronger than the packet. One frame alone is a beacon."""

    kind: ClassVar[str] = "ofdm"
    center_hz: float
    width_hz: float
    packet_seconds: Range
    answer_seconds: Range
    pause_seconds: Range
    frames: tuple[int, int]
    answer_db: float
    power_db: Range

    def transmit(self, start_seconds: float, random: np.random.Generator) -> list[Transmission]:
        level = random.uniform(*self.power_db)
        patches: list[Patch] = []
        start = start_seconds
        for number in range(random.integers(*self.frames, endpoint=True)):
            is_answer = number % 2 == 1
            end = start + random.uniform(*(self.answer_seconds if is_answer else self.packet_seconds))
            frame_db = level + self.answer_db * is_answer
            patches.append(Patch(start, end, self.center_hz, self.width_hz, _STEEP * self.width_hz, frame_db))
            start = end + random.uniform(*self.pause_seconds)
        return [Transmission(self.kind, tuple(patches))]


@dataclass(frozen=True)
class FrequencyHopping(Emitter):
    """Short bursts on a grid of `channels`, the next one anywhere: a transmission is a session of `hops`, one
    every `hop_seconds`, on the air for `dwell_share` of it; channels fade by up to `fade_db`."""

    kind: ClassVar[str] = "frequency-hopping"
    first_hz: float
    spacing_hz: float
    channels: int
    width_hz: float
    hop_seconds: float
    dwell_share: float
    hops: tuple[int, int]
    fade_db: float
    power_db: Range

    def transmit(self, start_seconds: float, random: np.random.Generator) -> list[Transmission]:
        level = random.uniform(*self.power_db)
        channel_db = level - self.fade_db * random.random(self.channels)
        hops = int(random.integers(*self.hops, endpoint=True))
        patches: list[Patch] = []
        for number, channel in enumerate(random.integers(0, self.channels, hops).tolist()):
            start = start_seconds + number * self.hop_seconds
            patches.append(
                Patch(
                    start,
                    start + self.dwell_share * self.hop_seconds,
                    self.first_hz + channel * self.spacing_hz,
                    self.width_hz,
                    self.width_hz / 4,
                    float(channel_db[channel]),
                )
            )
        return [Transmission(self.kind, tuple(patches))]


@dataclass(frozen=True)
class PulseTrains(Emitter):
    """Wide pulses at a fixed period, each shorter than a row: stripes, evenly spaced in time. A pulse gets to
    a row by its share of it, so that what is seen stands lower than `power_db`."""

    kind: ClassVar[str] = "pulse-train"
    center_hz: float
    width_hz: float
    pulse_seconds: float
    period_seconds: float
    pulses: tuple[int, int]
    power_db: Range

    def transmit(self, start_seconds: float, random: np.random.Generator) -> list[Transmission]:
        level, edge = random.uniform(*self.power_db), self.width_hz / 5
        starts = (
            start_seconds + n * self.period_seconds
            for n in range(random.integers(*self.pulses, endpoint=True))
        )
        pulses = (
            Patch(start, start + self.pulse_seconds, self.center_hz, self.width_hz, edge, level)
            for start in starts
        )
        return [Transmission(self.kind, tuple(pulses))]


@dataclass(frozen=True)
class Impulses(Emitter):
    """Sparks and switches: a few impulses, much shorter than a row and wider than the band, at random
    distances. As of pulses, rows get the share of their time."""

    kind: ClassVar[str] = "impulses"
    center_hz: float
    width_hz: float
    impulse_seconds: float
    pause_seconds: Range
    impulses: tuple[int, int]
    fade_db: float
    power_db: Range

    def transmit(self, start_seconds: float, random: np.random.Generator) -> list[Transmission]:
        level = random.uniform(*self.power_db)
        patches: list[Patch] = []
        start = start_seconds
        for _ in range(random.integers(*self.impulses, endpoint=True)):
            end = start + self.impulse_seconds
            power_db = level - self.fade_db * random.random()
            patches.append(Patch(start, end, self.center_hz, self.width_hz, self.width_hz / 10, power_db))
            start = end + random.uniform(*self.pause_seconds)
        return [Transmission(self.kind, tuple(patches))]


@dataclass(frozen=True)
class TdmaSlots(Emitter):
    """A narrow channel shared in time: frames of `slots`, each used in every frame of a transmission or in
    none, at its user's level, which is up to `near_far_db` below the strongest's."""

    kind: ClassVar[str] = "tdma"
    center_hz: float
    width_hz: float
    frame_seconds: float
    slots: int
    frames: tuple[int, int]
    near_far_db: float
    power_db: Range

    def transmit(self, start_seconds: float, random: np.random.Generator) -> list[Transmission]:
        level, slot_seconds = random.uniform(*self.power_db), self.frame_seconds / self.slots
        # The first slot is used, and not all: nothing would be seen of the frames.
        others = random.integers(0, max(1, self.slots - 1))
        users = np.concatenate([[0], 1 + random.permutation(self.slots - 1)[:others]])
        levels = level - self.near_far_db * random.random(len(users))
        levels[0] = level
        patches = tuple(
            Patch(
                start,
                start + 0.95 * slot_seconds,
                self.center_hz,
                self.width_hz,
                self.width_hz / 4,
                float(user_db),
            )
            for frame in range(random.integers(*self.frames, endpoint=True))
            for user, user_db in zip(users.tolist(), levels, strict=True)
            for start in (start_seconds + frame * self.frame_seconds + user * slot_seconds,)
        )
        return [Transmission(self.kind, patches)]


@dataclass(frozen=True)
class WideChannel(Emitter):
    """A broadcast channel: flat, with steep sides, fading by up to `fade_db` as a sine of the band's own time
    and told in steps. Transmissions that follow each other without a pause are one channel always on."""

    kind: ClassVar[str] = "broadcast"
    center_hz: float
    width_hz: float
    on_seconds: Range
    step_seconds: float
    fade_db: float
    fade_seconds: float
    power_db: Range

    def transmit(self, start_seconds: float, random: np.random.Generator) -> list[Transmission]:
        end, level = start_seconds + random.uniform(*self.on_seconds), random.uniform(*self.power_db)
        patches = tuple(
            Patch(
                since,
                until,
                self.center_hz,
                self.width_hz,
                _STEEP * self.width_hz,
                level - self.fade_db * (0.5 - 0.5 * math.cos(math.pi * (since + until) / self.fade_seconds)),
            )
            for since, until in steps(start_seconds, end, self.step_seconds)
        )
        return [Transmission(self.kind, patches)]


def steps(start_seconds: float, end_seconds: float, step_seconds: float) -> list[tuple[float, float]]:
    """A stretch of time cut at the multiples of `step_seconds`. Where that is what rows last, no piece lies
    in two rows, for the first row starts at 0."""
    inner = np.arange(math.floor(start_seconds / step_seconds) + 1, math.ceil(end_seconds / step_seconds))
    # What rounding leaves between two borders is nobody's piece.
    least = step_seconds * 1e-6
    within = [
        each for each in (inner * step_seconds).tolist() if start_seconds + least < each < end_seconds - least
    ]
    borders = [start_seconds, *within, end_seconds]
    return list(itertools.pairwise(borders))
