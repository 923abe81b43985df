"""Steps become histories: the last 24, and the older days behind them."""

from __future__ import annotations

import math

import numpy as np

from .frames import NS_PER_S, Gap, History, Int64, Step, read_only
from .state import State

HISTORY_STEPS = 24
# Eight days of minutes: shorter steps reach back less far, so that memory stays at some tens of MB a band.
MOST_SEASON_STEPS = 8 * 24 * 60


class Histories:
    """Stage Step -> History: with each step that completes 24 in a row without a gap.

    A step follows another if it begins within half a step of the other's end: rows that are steps of
    their own have times that jitter. Steps before a gap stay in `season`, up to `season_days` and 11,520
    steps; other frequencies, another gain or unit make them meaningless and drop them. Arrays are views of
    an append-only store: cheap, and never written again.
    """

    def __init__(self, season_days: float = 8.0) -> None:
        self._season_days = season_days
        self.reset()

    def reset(self) -> None:
        self._values = np.zeros((0, 0), dtype=np.float32)
        self._ends_ns: Int64 = np.zeros(0, dtype=np.int64)
        self._count = 0
        self._unbroken = 0
        self._axis: tuple[float, bytes, str, float | None] | None = None

    def state(self) -> State:
        """Views of the store, of the steps that a later history may hold."""
        kept = 0
        if self._axis is not None:
            kept = min(self._count, HISTORY_STEPS + self._season_steps(self._axis[0]))
        first = self._count - kept
        return {
            "axis": None if self._axis is None else list(self._axis),
            "unbroken": self._unbroken,
            "values": read_only(self._values[first : self._count]),
            "ends_ns": read_only(self._ends_ns[first : self._count]),
        }

    def restore(self, state: State) -> None:
        self._axis = None if state["axis"] is None else tuple(state["axis"])
        self._unbroken = state["unbroken"]
        # A store without room: the next step makes a new one, and these are never written to.
        self._values, self._ends_ns = state["values"], state["ends_ns"]
        self._count = len(self._ends_ns)

    def gap(self, gap: Gap) -> list[History]:  # noqa: ARG002 - whatever the reason, no history spans it
        self._unbroken = 0
        return []

    def push(self, item: Step) -> list[History]:
        axis = (item.step_s, item.frequencies_hz.tobytes(), item.unit, item.gain_db)
        if axis != self._axis:
            self.reset()
            self._axis = axis
        elif self._unbroken and not self._follows(item):
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

    def _follows(self, step: Step) -> bool:
        off_ns = step.start_ns - int(self._ends_ns[self._count - 1])
        return abs(off_ns) < step.step_s * NS_PER_S / 2

    def _season_steps(self, step_s: float) -> int:
        return min(math.ceil(self._season_days * 86_400 / step_s), MOST_SEASON_STEPS)

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
