"""The jig itself: it finds stages whose outputs reach across a gap, and those that do not last."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from bandwatch.models.scoring import Score
from bandwatch.pipeline.frames import Assignment, Forecast, Gap, History, LevelledRow, PsdFrame, Window
from bandwatch.tests.jig import SECOND, assert_is_stage, assert_lasts, gap_before, rows, start_ns

NO_VALUES = np.zeros((0, 2), np.float32)


class LastThree:
    """A stage that gathers three rows and, unless told to heed gaps, pays them no attention."""

    def __init__(self, output_of: Callable[[list[PsdFrame]], Any], *, heeds_gaps: bool = False) -> None:
        self._output_of = output_of
        self._heeds_gaps = heeds_gaps
        self.reset()

    def reset(self) -> None:
        self._rows: deque[PsdFrame] = deque(maxlen=3)

    def gap(self, gap: Gap) -> list[Any]:
        if self._heeds_gaps:
            self._rows.clear()
        return []

    def push(self, item: PsdFrame) -> list[Any]:
        self._rows.append(item)
        return [self._output_of(list(self._rows))] if len(self._rows) == 3 else []


def history(three: list[PsdFrame]) -> History:
    values = np.stack([row.power_db for row in three])
    end_ns, no_ends = three[-1].end_ns, np.zeros(0, np.int64)
    return History("node", "band", 1.0, end_ns, np.zeros(2), values, NO_VALUES, no_ends)


def forecast(three: list[PsdFrame]) -> Forecast:
    values = three[0].power_db[np.newaxis]
    return Forecast("node", "band", three[0].end_ns, 1.0, np.zeros(2), values, values, values, "model")


def score(three: list[PsdFrame]) -> Score:
    made_ns, end_ns = three[0].end_ns, three[-1].end_ns
    return Score("node", "band", made_ns, end_ns, 2, "model", 1.0, 1.0, 1.0, 1.0)


def window(three: list[PsdFrame]) -> Window:
    return Window("node", "band", 0, three[0].time_ns, three[-1].end_ns, 0.0, 1.0, NO_VALUES)


def assignment(three: list[PsdFrame]) -> Assignment:
    return Assignment("node", "band", 0, three[0].time_ns, three[-1].end_ns, 1, 0.0, 0.0, "model")


def first_row(three: list[PsdFrame]) -> LevelledRow:
    return LevelledRow(three[0], 0.0, 0.0, 0.0)


def prove(output_of: Callable[[list[PsdFrame]], Any], *, heeds_gaps: bool) -> list[Any]:
    return assert_is_stage(
        lambda: LastThree(output_of, heeds_gaps=heeds_gaps),
        rows(12, bins=2),
        make_gap=gap_before,
        gap_forgets=False,
    )


KINDS = [history, forecast, score, window, assignment, first_row]


@pytest.mark.parametrize("output_of", KINDS)
def test_a_stage_that_pays_gaps_no_attention_does_not_pass(
    output_of: Callable[[list[PsdFrame]], Any],
) -> None:
    with pytest.raises(AssertionError, match="outputs span the gap before item"):
        prove(output_of, heeds_gaps=False)


@pytest.mark.parametrize("output_of", KINDS)
def test_one_that_starts_anew_does(output_of: Callable[[list[PsdFrame]], Any]) -> None:
    assert len(prove(output_of, heeds_gaps=True)) == 10


def test_an_output_that_does_not_say_when_it_began_does_not_pass() -> None:
    with pytest.raises(AssertionError, match="a float has no known start"):
        prove(lambda three: float(three[0].power_db[0]), heeds_gaps=True)


def test_the_start_of_a_history_is_that_of_its_first_step() -> None:
    three = rows(3, bins=2)
    assert start_ns(history(three)) == three[0].time_ns == three[-1].end_ns - 3 * SECOND


class Total:
    """A stage that says the sum of its rows and how many they were; `flaw` is what it does wrong."""

    def __init__(self, flaw: str = "") -> None:
        self._flaw = flaw
        self.reset()

    def reset(self) -> None:
        self._sum = np.zeros(2, np.float32)
        self._rows = 0
        self._unsaid = 0

    def gap(self, gap: Gap) -> list[Any]:
        return []

    def push(self, item: PsdFrame) -> list[Any]:
        self._sum += item.power_db
        self._rows += 1
        self._unsaid += 1
        return [(self._sum.copy(), self._rows)]

    def state(self) -> dict[str, Any]:
        total = self._sum[:] if self._flaw == "a view of it" else self._sum.copy()
        total.flags.writeable = self._flaw == "writeable"
        return {"sum": total, "rows": self._rows, "unsaid": self._unsaid}

    def restore(self, state: dict[str, Any]) -> None:
        self._sum = state["sum"].copy()
        if self._flaw != "forgets what it says":
            self._rows = state["rows"]
        if self._flaw != "forgets what it does not say yet":
            self._unsaid = state["unsaid"]
        if self._flaw == "adds to what it had":
            self._sum = self._sum + state["rows"]


@pytest.mark.parametrize(
    ("flaw", "told"),
    [
        ("a view of it", "the state given after 0 items was changed by later ones"),
        ("writeable", "after 0 items the state holds a writeable array"),
        ("forgets what it says", "stopped after . items it goes on otherwise"),
        ("adds to what it had", "stopped after 1 items it goes on otherwise"),
        ("forgets what it does not say yet", "answers alike and knows something else"),
    ],
)
def test_a_stage_that_does_not_last_does_not_pass(flaw: str, told: str) -> None:
    with pytest.raises(AssertionError, match=told):
        assert_lasts(lambda: Total(flaw), rows(5, bins=2))


def test_one_that_lasts_does() -> None:
    assert_lasts(Total, [*rows(3, bins=2), gap_before(rows(4)[3]), *rows(5, bins=2)[3:]])
