"""Steps become histories: the last 24, and the older days behind them."""

from __future__ import annotations

import math

import numpy as np

from .frames import NS_PER_S, SAME_MEANING, Float32, Gap, History, Int64, Step, read_only
from .limits import LATEST_NS
from .state import State

HISTORY_STEPS = 24
# Eight days of minutes: shorter steps reach back less far, so that memory stays at some tens of MB a band.
MOST_SEASON_STEPS = 8 * 24 * 60


class Histories:
    """Stage Step -> History: with each step that completes 24 in a row.

    A step follows another if it begins within half a step of the other's end: rows that are steps of
    their own have times that jitter. A missing step, or a gap after which rows do not mean the same
    (`SAME_MEANING`), makes histories wait for 24 again.

    Older steps stay in `season`, up to `season_days` and 11,520 steps; other frequencies, another gain or
    unit make them meaningless and drop them. The season ascends in time whatever the clock did: of the
    steps that end at most `season_days` before the 24 begin, those are left out that do not end before all
    that came after them.

    Arrays are views of an append-only store: cheap, and never written again. Only while steps are left out
    from among others are they copies.
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

    def gap(self, gap: Gap) -> list[History]:
        if gap.reason not in SAME_MEANING:
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
        season, season_end_ns = self._season(first, item.step_s)
        return [
            History(
                node=item.node,
                band=item.band,
                step_s=item.step_s,
                end_ns=item.end_ns,
                frequencies_hz=item.frequencies_hz,
                values=read_only(self._values[first : self._count]),
                season=season,
                season_end_ns=season_end_ns,
            )
        ]

    def _follows(self, step: Step) -> bool:
        off_ns = step.start_ns - int(self._ends_ns[self._count - 1])
        return abs(off_ns) < step.step_s * NS_PER_S / 2

    def _season(self, first: int, step_s: float) -> tuple[Float32, Int64]:
        """The steps before the one at `first` that are given out, and their ends."""
        oldest = max(0, first - self._season_steps(step_s))
        values, ends_ns = self._values[oldest:first], self._ends_ns[oldest:first]
        earliest_ns = int(self._ends_ns[first]) - round(self._season_days * 86_400 * NS_PER_S)
        dated_ns = np.where(ends_ns < earliest_ns, LATEST_NS, ends_ns)
        following_ns = np.append(dated_ns[1:], self._ends_ns[first])
        least_after_ns = np.minimum.accumulate(following_ns[::-1])[::-1]
        kept = np.flatnonzero(dated_ns < least_after_ns)
        if kept.size == 0 or kept[0] + kept.size == len(ends_ns):
            start = len(ends_ns) - kept.size
            return read_only(values[start:]), read_only(ends_ns[start:])
        return read_only(values[kept]), read_only(ends_ns[kept])

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
