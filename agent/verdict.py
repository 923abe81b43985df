"""What is thought of each segment of a band: warming up, normal, novel or deviating, and why."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from statistics import median

import numpy as np

from ..pipeline.frames import Assignment, Forecast, Gap, Step, Verdict, VerdictState

RECENT_WINDOWS = 40
NOVEL_FROM = 0.98
NOVEL_UNTIL = 0.90
RECENT_STEPS = 3
DEVIATING_FROM = 0.5
DEVIATING_UNTIL = 0.25


@dataclass(slots=True)
class _Segment:
    first_hz: float
    last_hz: float
    state: VerdictState | None = None
    novelties: deque[float] = field(default_factory=lambda: deque(maxlen=RECENT_WINDOWS))
    outside: deque[float] = field(default_factory=lambda: deque(maxlen=RECENT_STEPS))
    newest: Assignment | None = None


class Judge:
    """Assignments, forecasts and steps of one band in, verdicts out: one whenever a segment's state changes.

    `novel`: the median novelty of the last 40 windows reached 0.98, until it falls below 0.90. At stride
    16 these span five windows that share no row: a single burst, however odd, is in too few of them to
    raise an alarm, and what stays odd for some 20 strides (a minute at 5 rows a second) does.
    `deviating`: in each of the last 3 steps at least half of the segment's frequencies lay outside the
    interval that was forecast for them one step ahead, until fewer than a quarter do. Novel outranks
    deviating. `score` is the median novelty, or the share outside. A gap forgets what was gathered; the
    state stays until something new speaks.
    """

    def __init__(self, node: str, band: str, segments_hz: list[tuple[float, float]]) -> None:
        self._node = node
        self._band = band
        self._segments = [_Segment(first_hz, last_hz) for first_hz, last_hz in segments_hz]
        self._awaited: Forecast | None = None

    def gap(self, gap: Gap) -> None:  # noqa: ARG002 - whatever the reason
        self._awaited = None
        for segment in self._segments:
            segment.novelties.clear()
            segment.outside.clear()

    def assigned(self, assignment: Assignment) -> list[Verdict]:
        """A window of a segment has its label, or none yet."""
        segment = self._segments[assignment.segment]
        segment.newest = assignment
        if assignment.novelty is None:
            segment.novelties.clear()
        else:
            segment.novelties.append(assignment.novelty)
        return self._judge(assignment.segment, assignment.end_ns)

    def forecast(self, forecast: Forecast) -> None:
        """What the next step is expected to be."""
        self._awaited = forecast

    def step(self, step: Step) -> list[Verdict]:
        """A step has come: how much of each segment is where it was forecast to be?"""
        forecast, self._awaited = self._awaited, None
        if forecast is None or forecast.made_ns != step.start_ns or np.isnan(forecast.low[0]).all():
            return []
        outside = (step.values < forecast.low[0]) | (step.values > forecast.high[0])
        verdicts = []
        for number, segment in enumerate(self._segments):
            inside_hz = (step.frequencies_hz >= segment.first_hz) & (step.frequencies_hz <= segment.last_hz)
            if inside_hz.any():
                segment.outside.append(float(outside[inside_hz].mean()))
                verdicts += self._judge(number, step.end_ns)
        return verdicts

    def _judge(self, number: int, time_ns: int) -> list[Verdict]:
        segment = self._segments[number]
        state, score, reasons = _opinion(segment)
        if state == segment.state:
            return []
        segment.state = state
        return [Verdict(self._node, self._band, number, time_ns, state, score, reasons)]


def _opinion(segment: _Segment) -> tuple[VerdictState, float, tuple[str, ...]]:
    newest = segment.newest
    if newest is None or newest.cluster is None or newest.distance is None:
        return "warming_up", 0.0, ("the band's own model is not fitted yet",)
    novelty = median(segment.novelties) if segment.novelties else 0.0
    count = len(segment.novelties)
    limit = NOVEL_UNTIL if segment.state == "novel" else NOVEL_FROM
    if novelty >= limit and (count == RECENT_WINDOWS or segment.state == "novel"):
        return (
            "novel",
            novelty,
            (
                f"median novelty of the last {count} windows is {novelty:.3f}, the limit is {limit:g}",
                f"the nearest cluster is {newest.cluster}, at distance {newest.distance:.2f}",
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
