"""Where drift is told of: the metric, one log line and one event a crossing, console and live view."""

from __future__ import annotations

import io
import json
import math
from dataclasses import replace

import msgspec
import pytest
from prometheus_client import CollectorRegistry
from rich.console import Console

from bandwatch.agent.event_words import event_words
from bandwatch.agent.logs import open_log
from bandwatch.agent.notes import note_of
from bandwatch.agent.outputs import Fitted, Unfitted
from bandwatch.agent.status import StatusBoard
from bandwatch.agent.status_table import draw
from bandwatch.agent.telemetry import Telemetry
from bandwatch.models.drift import Drift
from bandwatch.tests.every_output import START_NS, assignment, row

FITTED = Fitted("node", "band", 96, 12, "own")
UNKNOWN = Drift("node", "band", START_NS, math.nan)
LOW = replace(UNKNOWN, ratio=0.125)
BEGINS = replace(UNKNOWN, ratio=0.3125, drifting=True, crossed=True)
GOES_ON = replace(BEGINS, ratio=0.2, crossed=False)
ENDS = replace(UNKNOWN, ratio=0.0625, crossed=True)


class Told:
    """What telemetry exports and logs of outputs."""

    def __init__(self, *outputs: Drift | Fitted | Unfitted) -> None:
        self._registry, stream = CollectorRegistry(), io.StringIO()
        telemetry = Telemetry(self._registry, open_log("debug", "json", stream))
        for output in outputs:
            telemetry.take(output)
        lines = [json.loads(line) for line in stream.getvalue().splitlines()]
        self.lines = [line for line in lines if "drift" in line["event"]]

    @property
    def ratio(self) -> float | None:
        at = {"node": "node", "band": "band"}
        return self._registry.get_sample_value("bandwatch_drift_ratio", at)


def test_the_metric_is_the_newest_ratio_and_not_a_number_before_and_after_another_fit() -> None:
    assert Told(FITTED, UNKNOWN, LOW).ratio == 0.125
    for outputs in (
        (FITTED,),
        (FITTED, UNKNOWN),
        (FITTED, LOW, FITTED),
        (FITTED, LOW, Unfitted("node", "band")),
    ):
        ratio = Told(*outputs).ratio
        assert ratio is not None
        assert math.isnan(ratio)


def test_one_line_tells_that_it_began_and_one_that_it_ended() -> None:
    began, ended = Told(FITTED, UNKNOWN, LOW, BEGINS, GOES_ON, ENDS, LOW).lines
    assert (began["level"], began["event"], began["ratio"], began["limit"]) == (
        "warning",
        "band drifts",
        0.3125,
        0.25,
    )
    assert began["at"] == "2027-01-15T08:00:00.000+00:00"
    assert (ended["level"], ended["event"], ended["limit"]) == ("info", "band drifts no longer", 0.15)


@pytest.mark.parametrize(
    ("drift", "words"),
    [
        (BEGINS, "the band drifts: 31% of its windows at least are strange to its model"),
        (ENDS, "the band drifts no longer: 6% of its windows at least are strange to its model"),
    ],
)
def test_a_crossing_is_an_event_in_words(drift: Drift, words: str) -> None:
    note = note_of(drift, START_NS + 1)
    assert note is not None
    assert (note.kind, note.time_ns, note.band) == ("drift", START_NS, "band")
    assert event_words(note) == words
    assert event_words(replace(note, facts={})).startswith("the band drifts no longer: -")


def test_what_crosses_nothing_is_no_event() -> None:
    assert [note_of(each, START_NS) for each in (UNKNOWN, LOW, GOES_ON)] == [None, None, None]


def status(*outputs: Drift | Fitted | Unfitted) -> StatusBoard:
    board = StatusBoard(version="0.1.0")
    for output in (FITTED, row(), assignment(0, 3), *outputs):
        board.take(output)
    return board


def shown(*outputs: Drift | Fitted | Unfitted) -> str:
    console = Console(file=io.StringIO(), width=80, color_system=None, legacy_windows=False)
    console.print(draw(status(*outputs).snapshot(), None, 80))
    return console.file.getvalue()  # pyright: ignore[reportAttributeAccessIssue]


def test_status_and_live_view_show_it_once_it_is_known() -> None:
    def of(*outputs: Drift | Fitted | Unfitted) -> tuple[float | None, bool]:
        band = json.loads(msgspec.json.encode(status(*outputs).snapshot()))["bands"][0]
        return band["drift_ratio"], band["drifting"]

    assert of() == of(UNKNOWN) == of(BEGINS, FITTED) == of(BEGINS, Unfitted("node", "band")) == (None, False)
    assert of(LOW) == (0.125, False)
    assert of(BEGINS, GOES_ON) == (0.2, True)
    assert "drift" not in shown(UNKNOWN)
    assert "drift     12% of the last hours" in shown(LOW)
    assert "20% of the last hours   the band has changed: fit its model anew" in shown(GOES_ON)
