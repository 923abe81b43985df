"""Intervals around a forecast, from how far recent ones were off."""

from __future__ import annotations

import numpy as np

from ..pipeline.frames import Float32, read_only
from ..pipeline.state import State
from .stated import Stated


class Conformal:
    """Split-conformal intervals, one radius for each horizon and frequency.

    The radius is the ceil((n + 1) x coverage)-th smallest of the last n <= `recent` absolute residuals of
    the forecasts that were given out at that horizon and frequency: at least `coverage` of the next values
    lie inside if residuals are exchangeable. They are only nearly so in time; what is reached is measured
    (`Score.coverage_ratio`). NaN until there are `minimum` residuals.

    Source: Vovk, Gammerman and Shafer, Algorithmic Learning in a Random World (2005).
    """

    def __init__(
        self, horizon: int = 12, *, coverage: float = 0.9, recent: int = 128, minimum: int = 20
    ) -> None:
        if not 0 < coverage < 1:
            raise ValueError(f"coverage is {coverage}, must lie between 0 and 1")
        if not 0 < minimum <= recent:
            raise ValueError(f"minimum is {minimum}, must lie between 1 and recent {recent}")
        self._horizon = horizon
        self._coverage = coverage
        self._recent = recent
        self._minimum = minimum
        self.reset()

    def reset(self) -> None:
        """Forget all residuals."""
        self._residuals = np.empty((self._horizon, 0, self._recent), np.float32)  # [12, F, recent]
        self._seen = np.zeros(self._horizon, np.int64)

    def observe(self, horizon: int, residual_db: Float32) -> None:
        """Take the residuals [F] of one forecast at one horizon (1..12); NaN where there was no truth."""
        if self._residuals.shape[1] != residual_db.shape[0]:
            shape = (self._horizon, residual_db.shape[0], self._recent)
            self._residuals = np.full(shape, np.nan, np.float32)
            self._seen[:] = 0
        slot = self._seen[horizon - 1] % self._recent
        self._residuals[horizon - 1, :, slot] = np.abs(residual_db)
        self._seen[horizon - 1] += 1

    def interval(self, mean_db: Float32) -> tuple[Float32, Float32]:
        """Low and high, float32 [12, F], around a forecast [12, F]; NaN where too little is known."""
        radius = self._radius(mean_db.shape)
        return mean_db - radius, mean_db + radius

    def state(self) -> State:
        """The residuals [12, F, recent], NaN where there is none yet, and how many each horizon has seen."""
        return {"residuals": read_only(self._residuals.copy()), "seen": read_only(self._seen.copy())}

    def restore(self, state: State) -> None:
        """Go on as the one that gave `state`. BadInput for another horizon or memory: new, then."""
        self.reset()
        kept = Stated("conformal intervals", state)
        residuals = kept.array("residuals", np.float32, (self._horizon, None, self._recent))
        seen = kept.array("seen", np.int64, (self._horizon,))
        if (seen < 0).any():
            raise kept.refuse("seen", "numbers of 0 or more")
        self._residuals, self._seen = residuals.copy(), seen.copy()

    def _radius(self, shape: tuple[int, ...]) -> Float32:
        radius = np.full(shape, np.nan, np.float32)
        if self._residuals.shape[:2] != shape or self._seen.max() < self._minimum:
            return radius
        counts = np.isfinite(self._residuals).sum(axis=2)  # [12, F]
        rank = np.ceil((counts + 1) * self._coverage - 1e-9).astype(np.int64)
        known = (counts >= self._minimum) & (rank <= counts)
        ordered = np.sort(self._residuals, axis=2)  # NaN last
        index = np.clip(rank - 1, 0, self._recent - 1)
        ranked = np.take_along_axis(ordered, index[:, :, np.newaxis], axis=2)[:, :, 0]
        radius[known] = ranked[known]
        return radius
