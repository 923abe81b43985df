"""Rows become forecast steps: averages over 60 s, or over one row where that is longer."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .frames import NS_PER_S, SAME_MEANING, Gap, PowerUnit, PsdFrame, Step, read_only
from .state import State

MOST_FREQUENCIES = 256
LEAST_COVERAGE = 0.5


class _Axis(NamedTuple):
    """What makes rows comparable."""

    center_hz: float
    bin_hz: float
    bins: int
    duration_ns: int
    unit: PowerUnit
    gain_db: float | None


class Steps:
    """Stage PsdFrame -> Step: the mean of a band's rows over each step, at most 256 frequencies.

    Steps of `step_s` seconds lie on whole multiples of it in UTC; where a row lasts as long or longer,
    each row is a step. A row belongs to the step that holds its start, or to the next one if that step is
    closed already (row times jitter). A step is closed by the row that ends within half a row of its end,
    or else by the first row beyond. It is given out if rows cover at least half of it, and is missing if
    not. Values are means of the rows' dB (or counts) as the papers' data are; bands of more than
    `most_frequencies` bins are averaged over groups of neighbours.

    A gap after which rows mean the same (`SAME_MEANING`) leaves the open step open: rows after it go on
    with the step, or with a later one, as they are dated. Any other drops it, and so does a row dated
    before the last one, as rows after a loss can be. Rows that go on with the same axis are then left out
    up to the next whole step.
    """

    def __init__(self, step_s: float = 60.0, most_frequencies: int = MOST_FREQUENCIES) -> None:
        self._wanted_ns = round(step_s * NS_PER_S)
        self._most_frequencies = most_frequencies
        self.reset()

    def reset(self) -> None:
        self._axis: _Axis | None = None
        self._grouping = FrequencyGroups(0, 0.0, 1.0, self._most_frequencies)
        self._step_ns = self._wanted_ns
        self._next_index = 0
        self._broken = False
        self._last_ns: int | None = None
        self._index: int | None = None
        self._sum: NDArray[np.float64] = np.zeros(0)
        self._rows = 0

    def state(self) -> State:
        return {
            "step_ns": self._wanted_ns,
            "axis": None if self._axis is None else list(self._axis),
            "next_index": self._next_index,
            "broken": self._broken,
            "last_ns": self._last_ns,
            "index": self._index,
            "sum": read_only(self._sum.copy()),
            "rows": self._rows,
        }

    def restore(self, state: State) -> None:
        """With another step length, as a new one: half a minute is no quarter of an hour."""
        self.reset()
        if state["axis"] is None or state["step_ns"] != self._wanted_ns:
            return
        self._take_axis(_Axis(*state["axis"]))
        self._next_index = state["next_index"]
        self._broken = state["broken"]
        self._last_ns = state["last_ns"]
        self._index = state["index"]
        self._sum[:] = state["sum"]
        self._rows = state["rows"]

    def gap(self, gap: Gap) -> list[Step]:
        if gap.reason not in SAME_MEANING:
            self._break()
        return []

    def push(self, item: PsdFrame) -> list[Step]:
        axis = _Axis(item.center_hz, item.bin_hz, item.bins, item.duration_ns, item.unit, item.gain_db)
        if axis != self._axis:
            self.reset()
            self._take_axis(axis)
        if item.duration_ns >= self._wanted_ns:
            return [self._step(item, item.time_ns, item.power_db.astype(np.float64), 1)]
        half_row_ns = item.duration_ns // 2
        if self._last_ns is not None and item.time_ns + half_row_ns < self._last_ns:
            self._break()
        self._last_ns = item.time_ns
        if self._broken:
            self._broken = False
            self._next_index = -(-item.time_ns // self._step_ns)
        if item.time_ns + half_row_ns < self._next_index * self._step_ns:
            return []
        index = max(item.time_ns // self._step_ns, self._next_index)
        steps = self._close(item) if self._index is not None and index != self._index else []
        if self._rows == 0:
            self._index = index
            self._sum[:] = item.power_db
        else:
            self._sum += item.power_db
        self._rows += 1
        if item.end_ns + half_row_ns >= (index + 1) * self._step_ns:
            steps += self._close(item)
        return steps

    def _break(self) -> None:
        """Drop the open step, and the rest of the one that the next row falls into."""
        self._index = None
        self._rows = 0
        self._broken = True

    def _close(self, frame: PsdFrame) -> list[Step]:
        """The open step, if rows cover enough of it."""
        index, rows = self._index, self._rows
        self._index, self._rows = None, 0
        if index is None:
            return []
        self._next_index = index + 1
        if rows * frame.duration_ns < LEAST_COVERAGE * self._step_ns:
            return []
        return [self._step(frame, index * self._step_ns, self._sum / rows, rows)]

    def _take_axis(self, axis: _Axis) -> None:
        self._axis = axis
        self._step_ns = max(self._wanted_ns, axis.duration_ns)
        first_hz = axis.center_hz - (axis.bins - 1) / 2 * axis.bin_hz
        self._grouping = FrequencyGroups(axis.bins, first_hz, axis.bin_hz, self._most_frequencies)
        self._sum = np.zeros(axis.bins)

    def _step(self, frame: PsdFrame, start_ns: int, mean_db: NDArray[np.float64], rows: int) -> Step:
        return Step(
            node=frame.node,
            band=frame.band,
            step_s=self._step_ns / NS_PER_S,
            start_ns=start_ns,
            end_ns=start_ns + self._step_ns,
            frequencies_hz=self._grouping.frequencies_hz,
            values=read_only(self._grouping.average(mean_db).astype(np.float32)),
            rows=rows,
            unit=frame.unit,
            gain_db=frame.gain_db,
        )


class FrequencyGroups:
    """Neighbouring bins averaged until at most `most` are left; the last group may be smaller."""

    def __init__(self, bins: int, first_hz: float, bin_hz: float, most: int) -> None:
        self.size = max(1, math.ceil(bins / most))
        self._firsts = np.arange(0, bins, self.size)
        self._counts = np.diff(np.append(self._firsts, bins))
        middles = self._firsts + (self._counts - 1) / 2
        self.frequencies_hz = read_only(first_hz + middles * bin_hz)

    def average(self, bins_db: NDArray[np.float64]) -> NDArray[np.float64]:
        """Shape: [bins] -> [F]."""
        if self.size == 1:
            return bins_db
        return np.add.reduceat(bins_db, self._firsts) / self._counts
