"""Under load windows are cut more rarely before rows are lost: whose, when, and when no longer."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple

from ..pipeline.frames import Assignment, Gap, LevelledRow
from ..pipeline.windows import WINDOW_ROWS
from .outputs import Output
from .telemetry import Telemetry

RAISE_ABOVE = 1 / 4
LOOK_SECONDS = 0.25
SOON_SECONDS = 10.0

CALM_BELOW = 1 / 20
CALM_SECONDS = 10.0
LONGEST_CALM_SECONDS = 640.0
PROVEN_SECONDS = 60.0

COST_HALF_LIFE_SECONDS = 5.0

_Band = tuple[str, str]


class BandStride(NamedTuple):
    """Rows from one window of a band to the next, as its settings have it and at present."""

    node: str
    band: str
    configured_rows: int
    present_rows: int


class StrideChange(NamedTuple):
    """From now on so many rows from one window of a band to the next."""

    node: str
    band: str
    stride_rows: int


class Shedding:
    """Gives each band's stride, by how full the queue before the loop is. Never for a replay, which waits.

    A stride is the configured one times 1, 2, 4 or 8, at most 128 rows: so the windows that are looked at
    are some of those that would have been.

    Up: the queue is fuller than 1/4 and will not be below that within 10 s, by how it went since the last
    look: the stride of the band whose windows cost most is doubled, of those that can rise. One look each
    0.25 s, so that the effect of a change is seen before the next.

    Down: the queue has been emptier than 1/20 for 10 s on end: the stride raised last is halved. Where the
    queue then fills again before it has been calm for 60 s, the load is still there, and that calm is asked
    for twice as long the next time, up to 640 s; once a halving holds, it is 10 s again. So a steady load too
    high for the configured stride soon brings one attempt in five to eleven minutes, not in ten seconds.
    In between, from 1/20 to 1/4, nothing changes.

    Strides are read from the routes at every turn: one that a restart brought back is lowered like others.
    What windows cost is the sum of their seconds, half of which is forgotten in 5 s. The answer depends on
    what is given and on the clock alone. As a sink of the routes' outputs it counts the windows passed over.
    """

    def __init__(
        self, telemetry: Telemetry, *, monotonic_seconds: Callable[[], float] = time.monotonic
    ) -> None:
        self._telemetry = telemetry
        self._monotonic_seconds = monotonic_seconds
        self._costs: dict[_Band, _Cost] = {}
        self._strides: dict[_Band, BandStride] = {}
        self._passed_over: dict[_Band, _PassedOver] = {}
        self._raised: list[_Band] = []  # once a doubling, the last at the end
        self._look: tuple[float, float] | None = None  # when the queue was last too full, and how full
        self._changed_seconds = -LOOK_SECONDS
        self._calm_since: float | None = None
        self._calm_seconds = CALM_SECONDS
        self._lowered = False  # and not proven yet

    def spent(self, node: str, band: str, seconds: float) -> None:
        """The windows of one moment of a band took so long."""
        cost = self._costs.setdefault((node, band), _Cost())
        cost.add(seconds, self._monotonic_seconds())

    def take(self, item: Output) -> None:
        """Count the windows of a band that are passed over because its stride is raised."""
        if isinstance(item, LevelledRow | Gap | Assignment):
            owner = item.frame if isinstance(item, LevelledRow) else item
            stride = self._strides.get((owner.node, owner.band))
            if stride is not None:
                counted = self._passed_over[owner.node, owner.band].take(item, stride)
                if counted:
                    self._telemetry.windows_shed(owner.node, owner.band, counted)

    def turn(self, fill: float, strides: Iterable[BandStride]) -> list[StrideChange]:
        """What is to change now. `fill`, 0 to 1: how full the queue is; `strides`: of all bands, now."""
        now = self._monotonic_seconds()
        self._telemetry.queue_fill("intake", fill)
        self._read(strides)
        if fill >= CALM_BELOW:
            self._calm_since = None
        elif self._calm_since is None:
            self._calm_since = now
        if fill <= RAISE_ABOVE:
            self._look = None
        elif self._is_to_rise(fill, now):
            return self._raise(fill, now)
        calm_seconds = 0.0 if self._calm_since is None else now - self._calm_since
        if self._lowered and calm_seconds >= PROVEN_SECONDS:
            self._lowered, self._calm_seconds = False, CALM_SECONDS
        return self._lower(fill, now) if calm_seconds >= self._calm_seconds else []

    def _read(self, strides: Iterable[BandStride]) -> None:
        before, self._strides = self._strides, {(each.node, each.band): each for each in strides}
        for at, stride in self._strides.items():
            if before.get(at) != stride:
                self._telemetry.stride(*at, stride.present_rows)
            if at not in before or before[at].configured_rows != stride.configured_rows:
                self._passed_over[at] = _PassedOver()
        for at in before.keys() - self._strides.keys():
            del self._passed_over[at]
            self._costs.pop(at, None)

    def _is_to_rise(self, fill: float, now: float) -> bool:
        look = self._look
        if now - (self._changed_seconds if look is None else look[0]) < LOOK_SECONDS:
            return False
        self._look = (now, fill)
        if look is None:
            return True
        sinks_per_second = (look[1] - fill) / (now - look[0])
        return fill - sinks_per_second * SOON_SECONDS > RAISE_ABOVE

    def _raise(self, fill: float, now: float) -> list[StrideChange]:
        able = [at for at, each in self._strides.items() if 2 * each.present_rows <= _most_rows(each)]
        costs = {at: self._costs[at].at(now) for at in able if at in self._costs}
        if not costs or not any(costs.values()):
            return []
        if self._lowered:
            self._lowered = False
            self._calm_seconds = min(2 * self._calm_seconds, LONGEST_CALM_SECONDS)
        dearest = max(costs, key=lambda at: costs[at])
        self._raised.append(dearest)
        return [self._change(dearest, 2 * self._strides[dearest].present_rows, fill, now)]

    def _lower(self, fill: float, now: float) -> list[StrideChange]:
        high = [at for at, each in self._strides.items() if each.present_rows > each.configured_rows]
        while self._raised and self._raised[-1] not in high:
            self._raised.pop()
        if not high:
            return []
        last = self._raised.pop() if self._raised else high[-1]
        stride = self._strides[last]
        self._lowered, self._calm_since = True, now
        return [self._change(last, max(stride.configured_rows, stride.present_rows // 2), fill, now)]

    def _change(self, at: _Band, rows: int, fill: float, now: float) -> StrideChange:
        stride = self._strides[at]
        if at in self._costs:
            # What its windows will cost, not what they did: else the same band rises again for its past.
            self._costs[at].scale(stride.present_rows / rows)
        self._changed_seconds = now
        self._telemetry.stride_changed(*at, rows, was=stride.present_rows, fill=fill)
        return StrideChange(*at, rows)


def _most_rows(stride: BandStride) -> int:
    return min(8 * stride.configured_rows, WINDOW_ROWS)


class _Cost:
    """A sum of seconds of which half is forgotten in each half-life."""

    def __init__(self) -> None:
        self._seconds = 0.0
        self._at_seconds = 0.0

    def add(self, seconds: float, now: float) -> None:
        self._seconds = self.at(now) + seconds
        self._at_seconds = now

    def at(self, now: float) -> float:
        return self._seconds * 0.5 ** ((now - self._at_seconds) / COST_HALF_LIFE_SECONDS)

    def scale(self, factor: float) -> None:
        self._seconds *= factor


@dataclass(slots=True)
class _PassedOver:
    """Windows of one band that the configured stride would have cut and the present one did not.

    They are counted from window to window, so that it does not matter when the stride changed: of the
    moments since the last windows, or up to the gap, each that is a multiple of the configured stride away.
    After a gap the first windows come with the 128th row whatever the stride.
    """

    rows: int | None = None  # since the last windows; None: no windows since a gap
    moment_ns: int = 0
    segments: int = 0

    def take(self, output: LevelledRow | Gap | Assignment, stride: BandStride) -> int:
        if isinstance(output, LevelledRow):
            if self.rows is not None:
                self.rows += 1
            return 0
        if isinstance(output, Assignment) and output.end_ns == self.moment_ns and self.rows == 0:
            self.segments += 1
            return 0
        is_gap = isinstance(output, Gap)
        moments = 0 if self.rows is None else self.rows // stride.configured_rows - (not is_gap)
        counted = max(0, moments) * self.segments
        if isinstance(output, Assignment):
            self.rows, self.moment_ns, self.segments = 0, output.end_ns, 1
        else:
            self.rows = None
        return counted
