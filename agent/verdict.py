"""What is thought of each segment of a band: warming up, normal, novel or deviating, and why."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field, replace
from statistics import median
from typing import cast, get_args

from ..models.departure import Departure
from ..models.stated import Stated
from ..pipeline.errors import BadInput
from ..pipeline.frames import SAME_MEANING, Assignment, Gap, Verdict, VerdictState
from ..pipeline.state import State
from .deviation import Deviation, DeviationWatch
from .wording import clock

RECENT_WINDOWS = 40
NOVEL_FROM = 0.98
NOVEL_UNTIL = 0.90

_STATES: tuple[str, ...] = get_args(VerdictState)
_MOST_REASONS = 8


@dataclass(slots=True)
class _Segment:
    first_hz: float
    last_hz: float
    watch: DeviationWatch
    verdict: Verdict | None = None
    novelties: deque[float] = field(default_factory=lambda: deque(maxlen=RECENT_WINDOWS))
    nearest: tuple[int, float] | None = None  # cluster and distance of the newest window, if it has them

    @property
    def state(self) -> VerdictState | None:
        return None if self.verdict is None else self.verdict.state


class Judge:
    """Assignments and departures of one band in, verdicts out: one whenever a segment's state changes.

    `novel`: the median novelty of the last 40 windows reached 0.98, until it falls below 0.90. At stride
    16 these span five windows that share no row: a single burst, however odd, is in too few of them to
    raise an alarm, and what stays odd for some 20 strides (a minute at 5 rows a second) does.
    `deviating`: the segment has left its forecasts (`DeviationWatch`). Novel outranks deviating; deviations
    are told as they begin and end, whatever the verdict. `score` is the median novelty, or the share of
    forecasts that were missed when the deviation began.

    A gap forgets the novelties, as windows start anew. Missing rows leave what steps showed; a gap after
    which rows mean something else ends a deviation. The state stays until something new speaks.
    """

    def __init__(self, node: str, band: str, segments_hz: list[tuple[float, float]]) -> None:
        self._node = node
        self._band = band
        self._segments_hz = segments_hz
        self._forget()

    def _forget(self) -> None:
        self._segments = [
            _Segment(*ends_hz, DeviationWatch(self._node, self._band, number, *ends_hz))
            for number, ends_hz in enumerate(self._segments_hz)
        ]

    def gap(self, gap: Gap) -> list[Deviation]:
        """Deviations that end with it."""
        for segment in self._segments:
            segment.novelties.clear()
        return [] if gap.reason in SAME_MEANING else self.break_off()

    def break_off(self) -> list[Deviation]:
        """Steps to come are no run with those before: deviations that end with that."""
        return [ended for segment in self._segments for ended in segment.watch.break_off()]

    def assigned(self, assignment: Assignment) -> list[Verdict]:
        """A window of a segment has its label, or none yet."""
        segment = self._segments[assignment.segment]
        if assignment.cluster is None or assignment.distance is None:
            segment.nearest = None
        else:
            segment.nearest = assignment.cluster, assignment.distance
        if assignment.novelty is None:
            segment.novelties.clear()
        else:
            segment.novelties.append(assignment.novelty)
        return self._judge(assignment.segment, assignment.end_ns)

    def departed(self, departure: Departure) -> list[Verdict | Deviation]:
        """A step has come: how much of each segment is where it was forecast to be?"""
        found: list[Verdict | Deviation] = []
        told = [segment.watch.push(departure) for segment in self._segments]
        off = [number for number, segment in enumerate(self._segments) if segment.watch.current is not None]
        for number, each in enumerate(told):
            beside = tuple(other for other in off if other != number)
            found += [one if one.ended_ns is not None else replace(one, beside=beside) for one in each]
            ended = next((one for one in each if one.ended_ns is not None), None)
            found += self._judge(number, departure.end_ns, ended)
        return found

    def standing(self) -> list[Verdict]:
        """The verdict of each segment that has one, as it was given."""
        return [segment.verdict for segment in self._segments if segment.verdict is not None]

    def state(self) -> State:
        """All that later verdicts rest on, and those that stand."""
        return {
            "node": self._node,
            "band": self._band,
            "segments": [_state_of(segment) for segment in self._segments],
        }

    def restore(self, state: State) -> None:
        """Go on as the judge that gave `state`; BadInput where it does not fit: as new, then."""
        self._forget()
        try:
            self._take(Stated(f"verdicts of {self._node}/{self._band}", state))
        except BadInput:
            self._forget()
            raise

    def _take(self, kept: Stated) -> None:
        kept.same("node", self._node)
        kept.same("band", self._band)
        parts = kept.parts("segments")
        if len(parts) != len(self._segments):
            raise kept.refuse("segments", f"{len(self._segments)} of them")
        for number, (segment, part) in enumerate(zip(self._segments, parts, strict=True)):
            part.same("first_hz", segment.first_hz)
            part.same("last_hz", segment.last_hz)
            segment.novelties.extend(part.numbers("novelties", RECENT_WINDOWS))
            segment.watch.restore(part.inner("watch"))
            cluster = part.optional("cluster", part.integer)
            distance = part.optional("distance", part.number)
            segment.nearest = None if cluster is None or distance is None else (cluster, distance)
            segment.verdict = part.optional("state", lambda _, n=number, p=part: self._verdict(n, p))

    def _verdict(self, number: int, part: Stated) -> Verdict:
        if part.text("state") not in _STATES:
            raise part.refuse("state", f"one of {', '.join(_STATES)}")
        return Verdict(
            node=self._node,
            band=self._band,
            segment=number,
            time_ns=part.integer("time_ns"),
            state=cast(VerdictState, part.text("state")),
            score=part.number("score"),
            reasons=tuple(part.texts("reasons", _MOST_REASONS)),
        )

    def _judge(self, number: int, time_ns: int, ended: Deviation | None = None) -> list[Verdict]:
        segment = self._segments[number]
        state, score, reasons = _opinion(segment)
        if state == segment.state:
            return []
        if ended is not None and ended.ended_ns is not None:
            reasons += (f"it deviated from {clock(ended.begun_ns)} to {clock(ended.ended_ns)}",)
        segment.verdict = Verdict(self._node, self._band, number, time_ns, state, score, reasons)
        return [segment.verdict]


def _state_of(segment: _Segment) -> State:
    cluster, distance = segment.nearest or (None, None)
    state: State = {
        "first_hz": segment.first_hz,
        "last_hz": segment.last_hz,
        "novelties": list(segment.novelties),
        "watch": segment.watch.state(),
        "cluster": cluster,
        "distance": distance,
        "state": segment.state,
    }
    verdict = segment.verdict
    if verdict is not None:
        state |= {"time_ns": verdict.time_ns, "score": verdict.score, "reasons": list(verdict.reasons)}
    return state


def _opinion(segment: _Segment) -> tuple[VerdictState, float, tuple[str, ...]]:
    if segment.nearest is None:
        return "warming_up", 0.0, ("the band's own model is not fitted yet",)
    cluster, distance = segment.nearest
    novelty = median(segment.novelties) if segment.novelties else 0.0
    count = len(segment.novelties)
    limit = NOVEL_UNTIL if segment.state == "novel" else NOVEL_FROM
    if novelty >= limit and (count == RECENT_WINDOWS or segment.state == "novel"):
        return (
            "novel",
            novelty,
            (
                f"median novelty of the last {count} windows is {novelty:.3f}, the limit is {limit:g}",
                f"the nearest cluster is {cluster}, at distance {distance:.2f}",
            ),
        )
    deviation = segment.watch.current
    if deviation is not None:
        reason = (
            f"{deviation.share:.0%} of the segment's forecasts are missed since {clock(deviation.begun_ns)}, "
            f"the limit is {deviation.limit:.0%}"
        )
        return "deviating", deviation.share, (reason, *map(str, deviation.ranges))
    return "normal", novelty, (f"median novelty of the last {count} windows is {novelty:.3f}",)
