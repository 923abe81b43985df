"""When an emitter transmits: at random, or by the clock."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from .errors import BadInput

DAY_SECONDS = 86_400.0


@dataclass(frozen=True, slots=True)
class Stretch:
    """A half-open stretch of time, in seconds from the first row of the band; it begins
    `utc_seconds` after a UTC midnight."""

    from_seconds: float
    to_seconds: float
    utc_seconds: float


class Arrivals(Protocol):
    """When transmissions start."""

    def starts(self, stretch: Stretch, random: np.random.Generator) -> list[float]:
        """The starts due in a stretch, in seconds; stretches that follow each other give each start once."""
        ...


@dataclass(frozen=True, slots=True)
class Poisson:
    """Starts at random, `per_hour` on average.

    The rate follows the day: `1 + daily_swing_ratio` times the average at `busiest_hour` UTC and
    `1 - daily_swing_ratio` times twelve hours later.
    """

    per_hour: float
    daily_swing_ratio: float = 0.0
    busiest_hour: float = 13.0

    def __post_init__(self) -> None:
        if not (math.isfinite(self.per_hour) and self.per_hour >= 0):
            raise BadInput(f"arrivals: per_hour is {self.per_hour}, it must be a number of at least 0")
        if not 0 <= self.daily_swing_ratio <= 1:
            raise BadInput(f"arrivals: daily_swing_ratio is {self.daily_swing_ratio}, it must be in 0..1")

    def starts(self, stretch: Stretch, random: np.random.Generator) -> list[float]:
        hour_angle = 2 * math.pi * (stretch.utc_seconds / DAY_SECONDS - self.busiest_hour / 24)
        per_second = self.per_hour / 3600 * (1 + self.daily_swing_ratio * math.cos(hour_angle))
        count = random.poisson(per_second * (stretch.to_seconds - stretch.from_seconds))
        return sorted(random.uniform(stretch.from_seconds, stretch.to_seconds, count).tolist())


@dataclass(frozen=True, slots=True)
class Periodic:
    """Starts every `period_seconds` from `phase_seconds` on, each late by up to `jitter_seconds`."""

    period_seconds: float
    jitter_seconds: float = 0.0
    phase_seconds: float = 0.0

    def __post_init__(self) -> None:
        if not (math.isfinite(self.period_seconds) and self.period_seconds > 0):
            raise BadInput(f"arrivals: period_seconds is {self.period_seconds}, it must be above 0")
        for name, value in (("jitter_seconds", self.jitter_seconds), ("phase_seconds", self.phase_seconds)):
            if not (math.isfinite(value) and value >= 0):
                raise BadInput(f"arrivals: {name} is {value}, it must be a number of at least 0")

    def starts(self, stretch: Stretch, random: np.random.Generator) -> list[float]:
        first = max(0, math.ceil((stretch.from_seconds - self.phase_seconds) / self.period_seconds))
        last = math.ceil((stretch.to_seconds - self.phase_seconds) / self.period_seconds)
        return [
            self.phase_seconds + n * self.period_seconds + self.jitter_seconds * random.random()
            for n in range(first, last)
        ]
