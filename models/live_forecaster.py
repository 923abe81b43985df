"""A forecaster that was fitted off line, in the contest: it is given the band's past on a regular grid."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..pipeline.frames import NS_PER_S, Float32, History, Step, read_only
from ..pipeline.histories import HISTORY_STEPS
from ..pipeline.state import State
from .forecast_fit import PAST_ROWS, Fit
from .stated import Stated

STATE_VERSION = 1


class LiveForecaster:
    """The newest `Fit` of a band, which may be replaced at any time; none yet, it forecasts nothing.

    Keeps the last 4,344 steps, one a row: each follows the one before it by their times, and what is missing
    between is rows of NaN. A clock that goes back, or a gap after which rows mean something else, begins
    anew: with 24 steps there is a forecast again. A frequency that is not finite in one of the last 24 gets
    its last value as its forecast. `load(key)` gives a fit again after a restart, and raises BadInput.
    """

    name = "default"

    def __init__(self, load: Callable[[str], Fit]) -> None:
        self._load = load
        self.reset()

    def reset(self) -> None:
        """Forget the past and the fit."""
        self._fit: Fit | None = None
        self.gap()

    def gap(self) -> None:
        """Forget the past; the fit stays."""
        self._rows: Float32 = np.zeros((0, 0), np.float32)  # append-only, of which `_count` are filled
        self._count = 0
        self._last_end_ns = 0

    @property
    def fit(self) -> Fit | None:
        return self._fit

    def use(self, fit: Fit) -> None:
        """Forecast by this one from now on."""
        self._fit = fit

    def observe(self, step: Step) -> None:
        """Append the step, and the missing ones before it."""
        missing = 0
        if self._count:
            missing = round((step.start_ns - self._last_end_ns) / (step.step_s * NS_PER_S))
            if not 0 <= missing < PAST_ROWS or step.values.shape[0] != self._rows.shape[1]:
                self.gap()
                missing = 0
        self._last_end_ns = step.end_ns
        self._make_room(missing + 1, step.values.shape[0])
        self._rows[self._count : self._count + missing] = np.nan
        self._rows[self._count + missing] = step.values
        self._count += missing + 1

    def forecast(self, history: History) -> Float32 | None:
        """Shape: [12, F]; None while there is no fit, or not 24 steps in a row. BadInput for a fit of another
        band's frequencies or steps."""
        if self._fit is None or self._count < HISTORY_STEPS:
            return None
        self._fit.check(history.frequencies_hz, history.step_s)
        needed = min(self._fit.forecaster.needs_rows, PAST_ROWS)
        past = np.full((max(needed, HISTORY_STEPS), self._rows.shape[1]), np.nan, np.float32)
        known = self._rows[max(0, self._count - len(past)) : self._count]
        past[len(past) - len(known) :] = known
        recent = past[-HISTORY_STEPS:]
        bad = ~np.isfinite(recent).all(axis=0)
        if bad.all():
            return None
        past[np.isinf(past)] = np.nan
        # What the forecaster is promised to be finite is, and the rows before stay known; of these columns
        # its answer is not used.
        past[:, bad] = past[:, ~bad].mean(axis=1, keepdims=True)
        forecast = self._fit.forecaster.forecasts(past, np.array([len(past)]))[0]
        if bad.any():
            forecast = forecast.copy()
            forecast[:, bad] = history.values[-1, bad]
        return forecast

    def state(self) -> State:
        """The past [n, F], and the key of the fit."""
        kept = self._rows[max(0, self._count - PAST_ROWS) : self._count]
        return {
            "version": STATE_VERSION,
            "fit": None if self._fit is None else self._fit.key,
            "past": read_only(kept.copy()) if self._count else None,
            "last_end_ns": self._last_end_ns,
        }

    def restore(self, state: State) -> None:
        """Go on as the one that gave `state`; BadInput where it or its fit cannot be used: new, then."""
        self.reset()
        kept = Stated(self.name, state)
        kept.same("version", STATE_VERSION)
        past = kept.optional("past", lambda name: kept.array(name, np.float32, (None, None)))
        if past is not None and not 0 < len(past) <= PAST_ROWS:
            raise kept.refuse("past", f"1 to {PAST_ROWS} steps")
        last_end_ns = kept.integer("last_end_ns")
        key = kept.optional("fit", kept.text)
        self._fit = None if key is None else self._load(key)
        if past is not None:
            self._make_room(len(past), past.shape[1])
            self._rows[: len(past)] = past
            self._count, self._last_end_ns = len(past), last_end_ns

    def _make_room(self, more: int, frequencies: int) -> None:
        if self._count + more <= len(self._rows):
            return
        kept = min(self._count, PAST_ROWS)
        room = kept + more + max(64, kept // 4)
        rows = np.empty((room, frequencies), np.float32)
        if kept:
            rows[:kept] = self._rows[self._count - kept : self._count]
        self._rows, self._count = rows, kept
