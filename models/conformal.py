"""Intervals around a forecast, and the probability of any level, from how recent forecasts came true."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..pipeline.frames import Float32, read_only
from ..pipeline.state import State
from .residual_scale import Floats, ResidualScale
from .stated import Stated

STATE_VERSION = 2
CELLS = 128
OUTERMOST = 12.0
BEND = 0.5
POOL_STEPS = 300
LAPLACE_STEPS = 2.0
LEARNING_RATE = 0.005
MOST_LOG_WIDTH = 1.5
SHOCK_WIDTHS = 2.0
SHOCKS_APART = 24


class Conformal:
    """Conformal intervals that adapt, one for each horizon and frequency, and a distribution behind them.

    An error (truth minus forecast) counts in units of the error that was expected when the forecast was
    made (`ResidualScale`). The distribution of such scores is kept for each horizon, all frequencies
    pooled, with a memory of 300 steps: a few steps fill it. Its outer quantiles around its median are
    the interval, after a width of each side, horizon and frequency has been laid over them that adaptive
    conformal inference moves: by 0.005 x (1 - share allowed) in logarithm when the truth fell outside,
    by -0.005 x (share allowed) when not, within a factor of 4.5. Whatever the errors do, as long as that
    bound is not met the share of misses on a side tends to the allowed one.

    After a shock (a level shift) all twelve forecasts that were made before it miss, in twelve steps: one
    event; and of one row alone no forecaster knows whether it stays, so the one made after it may miss, too.
    While those made later hold, spread and distribution do not learn from these misses, at most once in 24
    steps; the widths do.

    Only what `observe` was given is used. A horizon has no interval (NaN) until `minimum` steps have
    proven forecasts at it.

    Source: Gibbs and Candès, Adaptive Conformal Inference Under Distribution Shift (2021); Angelopoulos,
    Candès and Tibshirani, Conformal PID Control for Time Series Prediction (2023), its quantile tracking.
    """

    def __init__(self, horizon: int = 12, *, coverage: float = 0.9, minimum: int = 8) -> None:
        if not 0 < coverage < 1:
            raise ValueError(f"coverage is {coverage}, must lie between 0 and 1")
        if minimum < 1:
            raise ValueError(f"minimum is {minimum}, must be at least 1")
        self._horizon = horizon
        self._shocks_apart = max(SHOCKS_APART, horizon + 1)
        self._minimum = minimum
        self._missed = (1 - coverage) / 2  # on each side
        self.reset()

    def reset(self) -> None:
        """Forget all errors."""
        self._begin(0)

    def _begin(self, frequencies: int) -> None:
        self._frequencies = frequencies
        self._scale = ResidualScale(self._horizon, frequencies)
        self._steps = np.zeros(self._horizon, np.int64)
        self._pool = np.zeros((self._horizon, CELLS))
        self._log_widths = np.zeros((2, self._horizon, frequencies))  # below, above
        self._since_shock = self._shocks_apart
        self._settle()

    def spread(self, frequencies: int) -> Float32:
        """The errors to expect of a forecast made now, float32 [H, F]; NaN where too little is known."""
        spread = np.full((self._horizon, frequencies), np.nan, np.float32)
        if frequencies == self._frequencies:
            ready = self._steps >= self._minimum
            spread[ready] = self._scale.expected()[ready]
        return spread

    def interval(self, mean_db: Float32, spread_db: Float32) -> tuple[Float32, Float32]:
        """Low and high, float32 [H, F], around a forecast [H, F]; NaN where the spread is."""
        if mean_db.shape != self._log_widths.shape[1:]:
            return np.full_like(mean_db, np.nan), np.full_like(mean_db, np.nan)
        low, high = self._ends()
        return (mean_db + low * spread_db).astype(np.float32), (mean_db + high * spread_db).astype(np.float32)

    def below(self, mean_db: Float32, spread_db: Float32, threshold_db: float | Floats) -> Float32:
        """The probability that the truth lies below a threshold, float32 [H, F]; NaN where unknown.

        The threshold is one level, or one a frequency [F].
        """
        if mean_db.shape != self._log_widths.shape[1:]:
            return np.full_like(mean_db, np.nan)
        score = (threshold_db - mean_db.astype(np.float64)) / spread_db
        side = np.where(score < self._median, *np.exp(-self._log_widths))
        place = _place(np.nan_to_num((score - self._median) * side + self._median))
        cell = np.minimum(place.astype(np.int64), CELLS - 1)
        part = place - cell
        left = np.take_along_axis(self._cumulative, cell, axis=1)
        right = np.take_along_axis(self._cumulative, cell + 1, axis=1)
        return np.where(np.isfinite(score), left + part * (right - left), np.nan).astype(np.float32)

    def observe(self, errors_db: Float32, spreads_db: Float32) -> None:
        """Take what one step proved: truth minus forecast [H, F], row h the forecast of horizon h + 1.

        NaN where no forecast was waiting or no truth came. `spreads_db` are those of the time when each of
        them was made, NaN where there were none yet.
        """
        if errors_db.shape[1] != self._frequencies:
            self._begin(errors_db.shape[1])
        known = np.isfinite(errors_db)
        if not known.any():
            return
        errors = np.where(known, errors_db, 0.0).astype(np.float64)
        expected = spreads_db.astype(np.float64)
        if not np.isfinite(expected).all():
            # Before there were intervals: by what is expected now, after this step where that is nothing.
            expected = np.where(np.isfinite(expected), expected, self._scale.expected())
        learned = known & ~self._stale(errors / expected, known)[:, np.newaxis]
        self._scale.observe(np.where(learned, np.abs(errors), np.nan))
        if not np.isfinite(expected).all():
            expected = np.where(np.isfinite(expected), expected, self._scale.expected())
        scores = np.divide(errors, expected, out=np.zeros_like(errors), where=known & np.isfinite(expected))
        self._move(scores, known)
        self._fill(scores, learned)
        self._settle()
        self._steps += known.any(axis=1)

    def _stale(self, scores: Floats, known: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Horizons [H] whose forecast was made before a shock that those made later have got over.

        A shock: at horizon 1, most frequencies are further out than twice their interval's end. The forecast
        made right after it goes with those made before where most frequencies miss it, too: of one row nobody
        can tell whether it stays. Horizon 1 is never forgiven.
        """
        rows = np.arange(self._horizon)[:, np.newaxis]
        low, high = self._ends()
        outside = (scores < low) | (scores > high)
        first = self._since_shock  # row of the forecast made right after the shock
        self._since_shock = min(self._since_shock + 1, self._shocks_apart)
        if first < self._horizon:
            if _most(known & (rows < first), outside):  # made later
                self._since_shock = self._horizon + 1  # not got over: what misses now is to be learned from
        elif (
            self._since_shock == self._shocks_apart
            and self._steps[0] >= self._minimum
            and _most(known & (rows == 0), (scores < SHOCK_WIDTHS * low) | (scores > SHOCK_WIDTHS * high))
        ):
            self._since_shock = 0
        if self._since_shock > self._horizon:
            return np.zeros(self._horizon, np.bool_)
        before = self._since_shock
        if before and _most(known & (rows == first), outside):
            before = first
        return rows[:, 0] >= max(1, before)

    def _move(self, scores: Floats, known: NDArray[np.bool_]) -> None:
        ready = known & (self._steps >= self._minimum)[:, np.newaxis]
        low, high = self._ends()
        missed = np.stack([scores < low, scores > high])
        self._log_widths += LEARNING_RATE * (missed - self._missed) * ready
        np.clip(self._log_widths, -MOST_LOG_WIDTH, MOST_LOG_WIDTH, out=self._log_widths)

    def _fill(self, scores: Floats, known: NDArray[np.bool_]) -> None:
        counts = known.sum(axis=1)  # [H]
        cells = np.minimum(_place(scores).astype(np.int64), CELLS - 1)
        cells += np.arange(self._horizon)[:, np.newaxis] * CELLS
        shares = known / np.maximum(counts, 1)[:, np.newaxis]
        fresh = np.bincount(cells.ravel(), shares.ravel(), self._horizon * CELLS)
        self._pool[counts > 0] *= np.exp(-1 / POOL_STEPS)
        self._pool += fresh.reshape(self._pool.shape)

    def _settle(self) -> None:
        """Distribution of each horizon's scores at the cells' edges, [H, CELLS + 1], and its quantiles."""
        cumulative = np.zeros((self._horizon, CELLS + 1))
        np.cumsum(self._pool + LAPLACE_STEPS * _LAPLACE, axis=1, out=cumulative[:, 1:])
        self._cumulative = cumulative / cumulative[:, -1:]
        shares = (self._missed, 0.5, 1 - self._missed)
        quantiles = np.array([np.interp(shares, row, _EDGES) for row in self._cumulative])
        self._low, self._median, self._high = quantiles.T[:, :, np.newaxis]  # [H, 1] each

    def _ends(self) -> tuple[Floats, Floats]:
        """Scores at which the intervals end, [H, F] each."""
        below, above = np.exp(self._log_widths)
        return (
            self._median + (self._low - self._median) * below,
            self._median + (self._high - self._median) * above,
        )

    def state(self) -> State:
        """All of it, of fixed size for a band."""
        return {
            "version": STATE_VERSION,
            "frequencies": self._frequencies,
            "steps": read_only(self._steps.copy()),
            "since_shock": self._since_shock,
            "pool": read_only(self._pool.copy()),
            "log_widths": read_only(self._log_widths.copy()),
            "scale": self._scale.state(),
        }

    def restore(self, state: State) -> None:
        """Go on as the one that gave `state`. BadInput for another version or horizon: new, then."""
        self.reset()
        try:
            self._take(Stated("conformal intervals", state))
        except Exception:
            self.reset()
            raise

    def _take(self, kept: Stated) -> None:
        kept.same("version", STATE_VERSION)
        frequencies = kept.integer("frequencies", least=0)
        steps = kept.array("steps", np.int64, (self._horizon,))
        if (steps < 0).any():
            raise kept.refuse("steps", "numbers of 0 or more")
        since_shock = kept.integer("since_shock", least=0, most=self._shocks_apart)
        pool = kept.array("pool", np.float64, self._pool.shape)
        if not (np.isfinite(pool) & (pool >= 0)).all():
            raise kept.refuse("pool", "finite numbers of 0 or more")
        widths = kept.array("log_widths", np.float64, (2, self._horizon, frequencies))
        if not (np.abs(widths) <= MOST_LOG_WIDTH).all():
            raise kept.refuse("log_widths", f"numbers within {MOST_LOG_WIDTH:g} of 0")
        self._begin(frequencies)
        self._scale.restore(kept.inner("scale"))
        self._since_shock = since_shock
        self._steps, self._pool, self._log_widths = steps.copy(), pool.copy(), widths.copy()
        self._settle()


_REACH = float(np.arcsinh(OUTERMOST / BEND))
# Cells are narrow around 0 and wide far out, where scores are rare.
_EDGES = BEND * np.sinh(np.linspace(-_REACH, _REACH, CELLS + 1))
_LAPLACE = np.diff(np.where(_EDGES < 0, 0.5 * np.exp(_EDGES), 1 - 0.5 * np.exp(-_EDGES)))


def _place(scores: Floats) -> Floats:
    """Where scores lie among the cells: 2.5 is the middle of the third; from 0 to the number of cells."""
    return np.clip((np.arcsinh(scores / BEND) / _REACH + 1) * (CELLS / 2), 0, CELLS)


def _most(of: NDArray[np.bool_], are: NDArray[np.bool_]) -> bool:
    """Whether more than half of some are."""
    return bool((of & are).sum() > 0.5 * of.sum())
