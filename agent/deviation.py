"""Whether a segment has left its forecasts, for longer and further than it usually does."""

from __future__ import annotations

from collections import deque
from dataclasses import asdict, dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..models.departure import Departure
from ..models.stated import Stated
from ..pipeline.frames import NS_PER_S, Float32, read_only
from ..pipeline.state import State
from .wording import frequency_range

RUN_STEPS = 5
LEAST_LIMIT, MOST_LIMIT = 0.35, 0.6
USUAL_QUANTILE = 0.99
PAST_STEPS = 1000
LEAST_PAST_STEPS = 200
SETTLED_STEPS = 96
WAITING_STEPS = 12
MOST_RANGES = 3


@dataclass(frozen=True, slots=True)
class OffRange:
    """Neighbouring frequencies that missed most of their forecasts on one side; `excess_db` is their mean."""

    low_hz: float
    high_hz: float
    frequencies: int
    excess_db: float

    def __str__(self) -> str:
        side = "above" if self.excess_db > 0 else "below"
        return f"{frequency_range(self.low_hz, self.high_hz)} {abs(self.excess_db):.1f} dB {side} forecast"


@dataclass(frozen=True, slots=True)
class Deviation:
    """A segment's deviation as it begins (`ended_ns` None), and once more when it ends.

    `share` is the largest so far of the segment's frequencies times forecasts outside the intervals, `limit`
    what it had to reach; `ranges` where it lies, of most frequencies first, when it began. `beside` are the
    band's other segments that deviate as it begins (empty as it ends).
    """

    node: str
    band: str
    segment: int
    begun_ns: int
    ended_ns: int | None
    share: float
    limit: float
    ranges: tuple[OffRange, ...]
    beside: tuple[int, ...] = ()


class DeviationWatch:
    """Departures of one band in; for one of its segments, when a deviation begins and when it ends.

    The share of a step is that of the segment's frequencies, over all forecasts that spoke of the step, that
    lay outside; five steps in a row show the least of theirs. A deviation begins when five show more than
    the limit, and ends with the first step below half of that. The limit is what all but 1 % of the
    segment's last 1,000 fives (the newest 12 apart) stayed below, from 0.35 to 0.6: a band whose traffic
    comes and goes departs often, and only more than that is told. After a level that changes for good the
    fives show 8 in 12 and more, however often that was before. Before 96 fives nobody knows what is usual.
    Steps more than five apart, or before each other, are no run.
    """

    def __init__(self, node: str, band: str, segment: int, first_hz: float, last_hz: float) -> None:
        self._at = (node, band, segment)
        self._first_hz, self._last_hz = first_hz, last_hz
        self._run: deque[float] = deque(maxlen=RUN_STEPS)  # the last shares, and when their steps began
        self._run_starts_ns: deque[int] = deque(maxlen=RUN_STEPS)
        self._past: deque[float] = deque(maxlen=PAST_STEPS + WAITING_STEPS)
        self._last_end_ns: int | None = None
        self.current: Deviation | None = None

    @property
    def limit(self) -> float:
        """The share from which on five steps are more than usual."""
        known = len(self._past) - WAITING_STEPS
        if known < LEAST_PAST_STEPS:
            return LEAST_LIMIT
        usual = np.quantile(np.fromiter(self._past, np.float64)[:known], USUAL_QUANTILE)
        return min(max(LEAST_LIMIT, float(usual)), MOST_LIMIT)

    def push(self, departure: Departure) -> list[Deviation]:
        """What has ended and what has begun with this step."""
        inside = (departure.frequencies_hz >= self._first_hz) & (departure.frequencies_hz <= self._last_hz)
        ratios = departure.outside_ratio[inside]
        if not np.isfinite(ratios).any():
            return []
        found = [] if self._follows(departure) else self.break_off()
        self._last_end_ns = departure.end_ns
        share = float(np.nanmean(ratios, dtype=np.float64))
        limit = self.limit
        self._run.append(share)
        self._run_starts_ns.append(departure.start_ns)
        if len(self._run) < RUN_STEPS:
            return found
        self._past.append(min(self._run))
        if self.current is not None:
            return [*found, *self._go_on(self.current, departure, share)]
        if min(self._run) <= limit or len(self._past) <= SETTLED_STEPS:
            return found
        ranges = _ranges(departure.frequencies_hz[inside], ratios, departure.excess_db[inside])
        self.current = Deviation(*self._at, self._run_starts_ns[0], None, max(self._run), limit, ranges)
        return [*found, self.current]

    def _go_on(self, current: Deviation, departure: Departure, share: float) -> list[Deviation]:
        if share >= current.limit / 2:
            self.current = replace(current, share=max(current.share, share))
            return []
        self.current = None
        return [replace(current, ended_ns=departure.start_ns)]

    def _follows(self, departure: Departure) -> bool:
        """Whether a step is one run with those before; times may jitter by half a step."""
        if self._last_end_ns is None:
            return False
        steps_since = (departure.start_ns - self._last_end_ns) / (departure.step_s * NS_PER_S)
        return -0.5 <= steps_since <= RUN_STEPS

    def break_off(self) -> list[Deviation]:
        """What comes next is no run with what came before: a deviation ends with the last step."""
        current, self.current = self.current, None
        last_end_ns, self._last_end_ns = self._last_end_ns, None
        self._run.clear()
        self._run_starts_ns.clear()
        return [] if current is None else [replace(current, ended_ns=last_end_ns)]

    def state(self) -> State:
        current = self.current
        return {
            "run": list(self._run),
            "run_starts_ns": read_only(np.array(self._run_starts_ns, np.int64)),
            "past": read_only(np.fromiter(self._past, np.float64)),
            "last_end_ns": self._last_end_ns,
            "current": None if current is None else _state_of(current),
        }

    def restore(self, kept: Stated) -> None:
        """Go on as the one that gave the state; for a new one. BadInput where it does not fit."""
        self._run.extend(kept.numbers("run", RUN_STEPS))
        self._run_starts_ns.extend(kept.array("run_starts_ns", np.int64, (len(self._run),)).tolist())
        self._past.extend(kept.array("past", np.float64, (None,)).tolist())
        self._last_end_ns = kept.optional("last_end_ns", kept.integer)
        current = kept.optional("current", kept.inner)
        if current is not None:
            self.current = Deviation(
                *self._at,
                current.integer("begun_ns"),
                None,
                current.number("share"),
                current.number("limit"),
                tuple(
                    OffRange(
                        each.number("low_hz"),
                        each.number("high_hz"),
                        each.integer("frequencies"),
                        each.number("excess_db"),
                    )
                    for each in current.parts("ranges", MOST_RANGES)
                ),
            )


def _ranges(frequencies_hz: NDArray[np.float64], ratios: Float32, excess_db: Float32) -> tuple[OffRange, ...]:
    """Where more than half of the forecasts are missed on one side; [F] each."""
    sides = np.where(ratios > 0.5, np.sign(excess_db), 0)  # NaN is no more than half
    edges = np.flatnonzero(np.diff(sides, prepend=0, append=0))
    found = [
        OffRange(
            low_hz=float(frequencies_hz[first]),
            high_hz=float(frequencies_hz[end - 1]),
            frequencies=int(end - first),
            excess_db=float(excess_db[first:end].mean(dtype=np.float64)),
        )
        for first, end in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True)
        if sides[first]
    ]
    return tuple(sorted(found, key=lambda each: -each.frequencies)[:MOST_RANGES])


def _state_of(current: Deviation) -> State:
    return {
        "begun_ns": current.begun_ns,
        "share": current.share,
        "limit": current.limit,
        "ranges": [asdict(each) for each in current.ranges],
    }
