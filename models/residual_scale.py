"""How large the next errors of a forecast are expected to be, at each horizon and frequency."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..pipeline.frames import read_only
from ..pipeline.state import State
from .stated import Stated

Floats = NDArray[np.float64]

LONG_STEPS = 1000
FREQUENCY_STEPS = 36
FRESH_STEPS = 3
NEAR = 3
FREQUENCY_POWER = 0.4
FRESH_POWER = 0.3
BAND_POWER = 0.15
FRESH_FADES = 0.5
MOST_SCALES = 6.0
LEAST_DB = 1e-3
PRIOR_STEPS = 4.0
PRIOR_FREQUENCY_STEPS = 30.0


class ResidualScale:
    """The expected absolute error [H, F], from those that have come true.

    Long-run level of each horizon and frequency (mean absolute error with a memory of 1,000 steps; while
    few have come, drawn to the band's at that horizon times the frequency's share of it), times three
    ratios of recent to long-run errors, each to a power below 1 as recent errors say only part:

    - the frequency's, over horizons 1 to 3, memory 36 steps, to 0.4;
    - the frequency's at horizon 1, memory 3 steps, to 0.3: it is the freshest truth there is;
    - the band's, over horizons 1 to 3, memory 3 steps, to 0.15.

    The last two powers fall to half of that at the last horizon. An error counts as at most six times what
    was expected, so that one burst does not widen intervals for days; what stays large is believed within a
    few steps, as the expectation rises with it.
    """

    def __init__(self, horizon: int, frequencies: int) -> None:
        self._long = np.zeros((2, horizon, frequencies))  # sums and weights
        self._frequency = np.zeros((2, frequencies))
        self._fresh = np.zeros((2, frequencies))
        self._band = np.zeros(2)
        fade = 1 - FRESH_FADES * np.arange(horizon)[:, np.newaxis] / max(1, horizon - 1)
        self._fresh_power, self._band_power = FRESH_POWER * fade, BAND_POWER * fade  # [H, 1]

    def observe(self, sizes: Floats) -> None:
        """Take the absolute errors [H, F] that one step proved; NaN where none."""
        known = np.isfinite(sizes)
        if not known.any():
            return
        sizes = np.where(known, sizes, 0.0)
        if self._long[1].any():
            level, expected = self._levels()
            sizes = np.minimum(sizes, MOST_SCALES * expected)
            ratios = sizes / level
            near, known_near = ratios[:NEAR], known[:NEAR]
            counts = known_near.sum(axis=0)
            _fade_in(self._frequency, near.sum(axis=0) / np.maximum(counts, 1), counts > 0, FREQUENCY_STEPS)
            _fade_in(self._fresh, ratios[0], known[0], FRESH_STEPS)
            if known_near.any():
                _fade_in(self._band, near.sum() / known_near.sum(), np.True_, FRESH_STEPS)
        _fade_in(self._long, sizes, known, LONG_STEPS)

    def expected(self) -> Floats:
        """Absolute errors [H, F] of a forecast made now; NaN at horizons of which none has come true."""
        if not self._long[1].any():
            return np.full(self._long[0].shape, np.nan)
        expected = self._levels()[1]
        expected[~self._long[1].any(axis=1)] = np.nan
        return expected

    def _levels(self) -> tuple[Floats, Floats]:
        """The long-run level and what is expected now, [H, F] both; of horizons yet unknown a guess."""
        sums, weights = self._long
        of_horizon = weights.sum(axis=1, keepdims=True)
        band = sums.sum(axis=1, keepdims=True) / np.maximum(of_horizon, 1e-12)
        seen = np.flatnonzero(of_horizon)
        band = np.where(of_horizon > 0, band, band[seen[-1]])
        share = (sums / np.maximum(band, LEAST_DB)).sum(axis=0) + PRIOR_FREQUENCY_STEPS
        prior = band * share / (weights.sum(axis=0) + PRIOR_FREQUENCY_STEPS)
        level = np.maximum((sums + PRIOR_STEPS * prior) / (weights + PRIOR_STEPS), LEAST_DB)
        expected = level * _ratio(self._frequency, 2.0) ** FREQUENCY_POWER
        expected *= _ratio(self._fresh, 0.5) ** self._fresh_power
        expected *= _ratio(self._band, 0.5) ** self._band_power
        return level, np.maximum(expected, LEAST_DB)

    def state(self) -> State:
        return {
            "long": read_only(self._long.copy()),
            "frequency": read_only(self._frequency.copy()),
            "fresh": read_only(self._fresh.copy()),
            "band": read_only(self._band.copy()),
        }

    def restore(self, kept: Stated) -> None:
        """Go on as the one that gave the state. BadInput where it does not fit."""
        parts = [
            kept.array(name, np.float64, ours.shape)
            for name, ours in (
                ("long", self._long),
                ("frequency", self._frequency),
                ("fresh", self._fresh),
                ("band", self._band),
            )
        ]
        for name, part in zip(("long", "frequency", "fresh", "band"), parts, strict=True):
            if not (np.isfinite(part) & (part >= 0)).all():
                raise kept.refuse(name, "finite numbers of 0 or more")
        self._long, self._frequency, self._fresh, self._band = (part.copy() for part in parts)


def _fade_in(mean: Floats, value: Floats | float, known: NDArray[np.bool_] | np.bool_, steps: float) -> None:
    """Add a value to an exponential mean, [2, ...] sums and weights, where it is known."""
    keep = np.where(known, np.exp(-1 / steps), 1.0)
    mean *= keep
    mean[0] += np.where(known, value, 0.0)
    mean[1] += known


def _ratio(mean: Floats, prior_steps: float) -> Floats:
    """The mean, drawn to 1 as by so many steps; never 0, so that a calm moment ends."""
    return np.maximum((mean[0] + prior_steps) / (mean[1] + prior_steps), 0.05)
