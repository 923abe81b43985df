"""What is thought of each segment of a band: warming up, normal, novel or deviating, and why."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from statistics import median
from typing import cast, get_args

import numpy as np

from ..models.forecasters.forecaster import follows_at
from ..models.stated import Stated
from ..pipeline.errors import BadInput
from ..pipeline.frames import (
    NS_PER_S,
    SAME_MEANING,
    Assignment,
    Float32,
    Forecast,
    Gap,
    Step,
    Verdict,
    VerdictState,
    read_only,
)
from ..pipeline.state import State

RECENT_WINDOWS = 40
NOVEL_FROM = 0.98
NOVEL_UNTIL = 0.90
RECENT_STEPS = 3
DEVIATING_FROM = 0.5
DEVIATING_UNTIL = 0.25

_STATES: tuple[str, ...] = get_args(VerdictState)
_MOST_REASONS = 8


@dataclass(slots=True)
class _Segment:
    first_hz: float
    last_hz: float
    verdict: Verdict | None = None
    novelties: deque[float] = field(default_factory=lambda: deque(maxlen=RECENT_WINDOWS))
    outside: deque[float] = field(default_factory=lambda: deque(maxlen=RECENT_STEPS))
    nearest: tuple[int, float] | None = None  # cluster and distance of the newest window, if it has them

    @property
    def state(self) -> VerdictState | None:
        return None if self.verdict is None else self.verdict.state


@dataclass(frozen=True, slots=True, eq=False)
class _Awaited:
    """What the step that starts at `start_ns` is expected to be; [F] each."""

    start_ns: int
    low_db: Float32
    high_db: Float32


class Judge:
    """Assignments, forecasts and steps of one band in, verdicts out: one whenever a segment's state changes.

    `novel`: the median novelty of the last 40 windows reached 0.98, until it falls below 0.90. At stride
    16 these span five windows that share no row: a single burst, however odd, is in too few of them to
    raise an alarm, and what stays odd for some 20 strides (a minute at 5 rows a second) does.
    `deviating`: in each of the last 3 steps at least half of the segment's frequencies lay outside the
    interval that was forecast for them one step ahead, until fewer than a quarter do. Novel outranks
    deviating. `score` is the median novelty, or the share outside.

    A gap forgets the novelties, as windows start anew. Missing rows leave what steps showed; steps more
    than three apart, a clock that went back, another gain or a gap after which rows mean something else
    forget that too. The state stays until something new speaks.
    """

    def __init__(self, node: str, band: str, segments_hz: list[tuple[float, float]]) -> None:
        self._node = node
        self._band = band
        self._segments_hz = segments_hz
        self._forget()

    def _forget(self) -> None:
        self._segments = [_Segment(first_hz, last_hz) for first_hz, last_hz in self._segments_hz]
        self._awaited: _Awaited | None = None
        self._judged_end_ns: int | None = None  # of the last step that could be compared
        self._measure: tuple[str, float | None] | None = None  # unit and gain of the last step

    def gap(self, gap: Gap) -> None:
        for segment in self._segments:
            segment.novelties.clear()
        if gap.reason not in SAME_MEANING:
            self._break_off()

    def _break_off(self) -> None:
        self._awaited = self._judged_end_ns = None
        for segment in self._segments:
            segment.outside.clear()

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

    def forecast(self, forecast: Forecast) -> None:
        """What the next step is expected to be."""
        self._awaited = _Awaited(forecast.made_ns, read_only(forecast.low[0]), read_only(forecast.high[0]))

    def step(self, step: Step) -> list[Verdict]:
        """A step has come: how much of each segment is where it was forecast to be?"""
        measure = (step.unit, step.gain_db)
        if self._measure not in (None, measure):
            self._break_off()
        self._measure = measure
        awaited, self._awaited = self._awaited, None
        if awaited is None or not follows_at(step, awaited.start_ns, awaited.low_db.shape[0]):
            return []
        if np.isnan(awaited.low_db).all():
            return []
        if not self._is_run(step):
            for segment in self._segments:
                segment.outside.clear()
        self._judged_end_ns = step.end_ns
        outside = (step.values < awaited.low_db) | (step.values > awaited.high_db)
        verdicts = []
        for number, segment in enumerate(self._segments):
            inside_hz = (step.frequencies_hz >= segment.first_hz) & (step.frequencies_hz <= segment.last_hz)
            if inside_hz.any():
                segment.outside.append(float(outside[inside_hz].mean()))
                verdicts += self._judge(number, step.end_ns)
        return verdicts

    def _is_run(self, step: Step) -> bool:
        """Whether a step is one run with those judged before; times may jitter by half a step."""
        if self._judged_end_ns is None:
            return False
        steps_since = (step.start_ns - self._judged_end_ns) / (step.step_s * NS_PER_S)
        return -0.5 <= steps_since <= RECENT_STEPS

    def standing(self) -> list[Verdict]:
        """The verdict of each segment that has one, as it was given."""
        return [segment.verdict for segment in self._segments if segment.verdict is not None]

    def state(self) -> State:
        """All that later verdicts rest on, and those that stand."""
        awaited = self._awaited
        return {
            "node": self._node,
            "band": self._band,
            "segments": [_state_of(segment) for segment in self._segments],
            "awaited": None
            if awaited is None
            else {"start_ns": awaited.start_ns, "low_db": awaited.low_db, "high_db": awaited.high_db},
            "judged_end_ns": self._judged_end_ns,
            "unit": None if self._measure is None else self._measure[0],
            "gain_db": None if self._measure is None else self._measure[1],
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
            segment.outside.extend(part.numbers("outside", RECENT_STEPS))
            cluster = part.optional("cluster", part.integer)
            distance = part.optional("distance", part.number)
            segment.nearest = None if cluster is None or distance is None else (cluster, distance)
            segment.verdict = part.optional("state", lambda _, n=number, p=part: self._verdict(n, p))
        awaited = kept.optional("awaited", kept.inner)
        if awaited is not None:
            low_db = awaited.array("low_db", np.float32, (None,))
            high_db = awaited.array("high_db", np.float32, low_db.shape)
            self._awaited = _Awaited(awaited.integer("start_ns"), low_db, high_db)
        self._judged_end_ns = kept.optional("judged_end_ns", kept.integer)
        unit = kept.optional("unit", kept.text)
        self._measure = None if unit is None else (unit, kept.optional("gain_db", kept.number))

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

    def _judge(self, number: int, time_ns: int) -> list[Verdict]:
        segment = self._segments[number]
        state, score, reasons = _opinion(segment)
        if state == segment.state:
            return []
        segment.verdict = Verdict(self._node, self._band, number, time_ns, state, score, reasons)
        return [segment.verdict]


def _state_of(segment: _Segment) -> State:
    cluster, distance = segment.nearest or (None, None)
    state: State = {
        "first_hz": segment.first_hz,
        "last_hz": segment.last_hz,
        "novelties": list(segment.novelties),
        "outside": list(segment.outside),
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
    limit = DEVIATING_UNTIL if segment.state == "deviating" else DEVIATING_FROM
    steps = len(segment.outside)
    enough = steps == RECENT_STEPS or (steps and segment.state == "deviating")
    if enough and min(segment.outside) >= limit:
        share = segment.outside[-1]
        reason = (
            f"{share:.0%} of the segment's frequencies are outside their forecast interval "
            f"for {steps} steps, the limit is {limit:.0%}"
        )
        return "deviating", share, (reason,)
    return "normal", novelty, (f"median novelty of the last {count} windows is {novelty:.3f}",)
