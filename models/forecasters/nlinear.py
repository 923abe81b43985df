"""NLinear: one linear map on the history minus its last value, learned from the band's own steps."""

from __future__ import annotations

from collections import deque

import numpy as np

from ...pipeline.frames import Float32, History, Step, read_only
from ...pipeline.histories import HISTORY_STEPS
from ...pipeline.state import State
from ..stated import Stated
from .forecaster import HORIZON_STEPS, follows_at

WINDOW_STEPS = HISTORY_STEPS + HORIZON_STEPS
STATE_VERSION = 1


class NLinear:
    """NLinear of Zeng et al., "Are Transformers Effective for Time Series Forecasting?" (2022).

    Each frequency's history has its last value taken off, goes through one linear map 24 -> 12 with a bias,
    shared by all frequencies, and gets the last value back. The map is the ridge least-squares solution
    over every window of 36 consecutive steps observed so far. Only the float64 normal equations are kept
    (24 x 24 and 24 x 12), so a step costs the same after a month as on the first day. The ridge pulls
    towards a zero map, which is repeat-last.

    `ready_steps` consecutive steps make it ready (13 windows at the default 48); the map is solved anew
    after every `solve_every_windows` windows. `ridge` is relative to the mean of the diagonal. Windows
    and histories of a frequency that hold a value that is not finite are left out: such a frequency
    neither teaches nor is forecast by more than its last value.
    """

    name = "nlinear"

    def __init__(self, *, ready_steps: int = 48, solve_every_windows: int = 12, ridge: float = 1e-3) -> None:
        if ready_steps < WINDOW_STEPS:
            raise ValueError(f"ready_steps is {ready_steps}, must be at least {WINDOW_STEPS}")
        self._ready_windows = ready_steps - WINDOW_STEPS + 1
        self._solve_every_windows = solve_every_windows
        self._ridge = ridge
        self.reset()

    def reset(self) -> None:
        """Forget the running window and all that was learned."""
        self._running: deque[Float32] = deque(maxlen=WINDOW_STEPS)  # [F] each
        self._last_end_ns = 0  # of the newest of them
        self._gram = np.zeros((HISTORY_STEPS, HISTORY_STEPS))
        self._moment = np.zeros((HISTORY_STEPS, HORIZON_STEPS))
        self._windows = 0
        self._map: np.ndarray | None = None

    def gap(self) -> None:
        """Start the running window anew; keep what was learned."""
        self._running.clear()

    def observe(self, step: Step) -> None:
        """Add the window that this step completes, if it does, to the normal equations."""
        if self._running and not follows_at(step, self._last_end_ns, self._running[-1].shape[0]):
            self._running.clear()
        self._running.append(step.values)
        self._last_end_ns = step.end_ns
        if len(self._running) < WINDOW_STEPS:
            return
        window = np.stack(self._running).astype(np.float64)  # [36, F]
        window = window[:, np.isfinite(window).all(axis=0)]
        inputs = _inputs(window[:HISTORY_STEPS])  # [F, 24]
        targets = (window[HISTORY_STEPS:] - window[HISTORY_STEPS - 1]).T  # [F, 12]
        self._gram += inputs.T @ inputs
        self._moment += inputs.T @ targets
        self._windows += 1
        since_ready = self._windows - self._ready_windows
        if since_ready >= 0 and since_ready % self._solve_every_windows == 0:
            self._map = self._solve()

    def forecast(self, history: History) -> Float32 | None:
        """Shape: history [24, F] -> [12, F]; None until the first solution."""
        if self._map is None:
            return None
        values = history.values.astype(np.float64)
        forecast = np.repeat(values[-1:], HORIZON_STEPS, axis=0)  # [12, F]
        usable = np.isfinite(values).all(axis=0)
        forecast[:, usable] += (_inputs(values[:, usable]) @ self._map).T
        return forecast.astype(np.float32)

    def state(self) -> State:
        """The running window [n, F], the normal equations and the map in use."""
        return {
            "version": STATE_VERSION,
            "running": read_only(np.stack(self._running)) if self._running else None,
            "last_end_ns": self._last_end_ns,
            "gram": read_only(self._gram.copy()),
            "moment": read_only(self._moment.copy()),
            "windows": self._windows,
            "map": self._map,
        }

    def restore(self, state: State) -> None:
        """Go on as the one that gave `state`; BadInput where it is of another version or shape."""
        self.reset()
        kept = Stated(self.name, state)
        kept.same("version", STATE_VERSION)
        running = kept.optional("running", lambda name: kept.array(name, np.float32, (None, None)))
        if running is not None and not 0 < len(running) <= WINDOW_STEPS:
            raise kept.refuse("running", f"1 to {WINDOW_STEPS} steps")
        last_end_ns = kept.integer("last_end_ns")
        gram = kept.array("gram", np.float64, self._gram.shape)
        moment = kept.array("moment", np.float64, self._moment.shape)
        windows = kept.integer("windows", least=0)
        self._map = kept.optional("map", lambda name: kept.array(name, np.float64, moment.shape))
        self._running.extend([] if running is None else running)
        self._last_end_ns = last_end_ns
        self._gram, self._moment, self._windows = gram.copy(), moment.copy(), windows

    def _solve(self) -> np.ndarray:
        """The map [24, 12]; its last row is the bias, which the ridge leaves alone."""
        lags = HISTORY_STEPS - 1
        penalty = np.zeros(HISTORY_STEPS)
        # The small constant keeps a band that never moved solvable: its map is zero.
        penalty[:lags] = self._ridge * np.trace(self._gram[:lags, :lags]) / lags + 1e-9
        penalty[lags:] = 1e-9
        return read_only(np.linalg.solve(self._gram + np.diag(penalty), self._moment))


def _inputs(history: np.ndarray) -> np.ndarray:
    """What the map sees. Shape: [24, F] -> [F, 24]: 23 differences from the last value, and a one.

    The 24th difference is always zero; the bias takes its place.
    """
    return np.vstack([history[:-1] - history[-1], np.ones(history.shape[1])]).T
