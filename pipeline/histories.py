"""Steps become histories: the last 24, and the older days behind them."""

from __future__ import annotations

import math

import numpy as np

from .frames import Gap, History, Int64, Step, read_only

HISTORY_STEPS = 24


class Histories:
    """Stage Step -> History: with each step that completes 24 in a row without a gap.

    Steps before a gap stay in `season`, up to `season_days`; a retune, a change of gain or unit makes them
    meaningless and drops them. Arrays are views of an append-only store: cheap, and never written again.
    """

    def __init__(self, season_days: float = 8.0) -> None:
        self._season_days = season_days
        self.reset()

    def reset(self) -> None:
        self._values = np.zeros((0, 0), dtype=np.float32)
        self._ends_ns: Int64 = np.zeros(0, dtype=np.int64)
        self._count = 0
        self._unbroken = 0
        self._axis: tuple[float, bytes] | None = None

    def gap(self, gap: Gap) -> list[History]:
        self._unbroken = 0
        if gap.reason in ("retuned", "gain"):
            self.reset()
        return []

    def push(self, item: Step) -> list[History]:
        axis = (item.step_s, item.frequencies_hz.tobytes())
        if axis != self._axis:
            self.reset()
            self._axis = axis
        elif self._count and self._unbroken and self._ends_ns[self._count - 1] != item.start_ns:
            self._unbroken = 0
        self._append(item)
        if self._unbroken < HISTORY_STEPS:
            return []
        first = self._count - HISTORY_STEPS
        oldest = max(0, first - self._season_steps(item.step_s))
        return [
            History(
                node=item.node,
                band=item.band,
                step_s=item.step_s,
                end_ns=item.end_ns,
                frequencies_hz=item.frequencies_hz,
                values=read_only(self._values[first : self._count]),
                season=read_only(self._values[oldest:first]),
                season_end_ns=read_only(self._ends_ns[oldest:first]),
            )
        ]

    def _season_steps(self, step_s: float) -> int:
        return math.ceil(self._season_days * 86_400 / step_s)

    def _append(self, step: Step) -> None:
        if self._count == self._ends_ns.shape[0]:
            self._make_room(step)
        self._values[self._count] = step.values
        self._ends_ns[self._count] = step.end_ns
        self._count += 1
        self._unbroken += 1

    def _make_room(self, step: Step) -> None:
        """A new store of twice what is kept: views into the old one stay as they are."""
        kept = min(self._count, HISTORY_STEPS + self._season_steps(step.step_s))
        room = max(64, 2 * kept)
        values = np.empty((room, step.values.shape[0]), dtype=np.float32)
        ends_ns = np.empty(room, dtype=np.int64)
        if kept:
            values[:kept] = self._values[self._count - kept : self._count]
            ends_ns[:kept] = self._ends_ns[self._count - kept : self._count]
        self._values, self._ends_ns, self._count = values, ends_ns, kept
