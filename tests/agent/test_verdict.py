"""Verdicts: warming up, normal, novel and deviating, each with its reason and its hysteresis."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bandwatch.agent.verdict import RECENT_WINDOWS, Judge
from bandwatch.pipeline.frames import Assignment, Forecast, Gap, GapReason, Step, Verdict
from bandwatch.pipeline.stage import drive
from bandwatch.pipeline.state import State, read_state, write_state
from bandwatch.tests.jig import assert_lasts
from bandwatch.tests.spoiled import assert_refuses, assert_refuses_spoiled

SEGMENTS_HZ = [(0.0, 9.0), (10.0, 19.0)]
MINUTE_NS = 60_000_000_000


def gap(reason: GapReason = "lost") -> Gap:
    return Gap("node", "band", 0, 1, None, reason, 0)


def judge() -> Judge:
    return Judge("node", "band", SEGMENTS_HZ)


def window(novelty: float | None, number: int = 0, segment: int = 0) -> Assignment:
    cluster = None if novelty is None else 7
    distance = None if novelty is None else 3.25
    return Assignment("node", "band", segment, number, number + 1, cluster, distance, novelty, "model")


def states(judge: Judge, novelties: list[float | None]) -> list[str]:
    return [v.state for n, novelty in enumerate(novelties) for v in judge.assigned(window(novelty, n))]


def forecast(made_ns: int, low: float, high: float) -> Forecast:
    axis = np.arange(20, dtype=np.float64)
    shape = (12, 20)
    mean, lows, highs = (np.full(shape, v, dtype=np.float32) for v in ((low + high) / 2, low, high))
    return Forecast("node", "band", made_ns, 60.0, axis, mean, lows, highs, "repeat-last")


def step(start_ns: int, values: np.ndarray) -> Step:
    axis = np.arange(20, dtype=np.float64)
    end_ns = start_ns + MINUTE_NS
    return Step("node", "band", 60.0, start_ns, end_ns, axis, values.astype(np.float32), 1, "dB")


def off_step(number: int, share: float, segment: int = 0) -> Step:
    """A step of which a share of a segment's frequencies lies outside -1..1."""
    values = np.zeros(20)
    values[segment * 10 : segment * 10 + round(share * 10)] = 5.0
    return step(number * MINUTE_NS, values)


def deviations(judge: Judge, shares: list[float], segment: int = 0, first: int = 0) -> list[str]:
    """One step for each share of a segment's frequencies that lie outside the forecast."""
    said = []
    for number, share in enumerate(shares, start=first):
        judge.forecast(forecast(number * MINUTE_NS, -1.0, 1.0))
        verdicts = judge.step(off_step(number, share, segment))
        said += [v.state for v in verdicts if v.segment == segment]
    return said


def test_a_verdict_comes_only_when_the_state_changes():
    assert states(judge(), [None, None, 0.1, 0.2, 0.3]) == ["warming_up", "normal"]


def test_a_burst_in_eight_overlapping_windows_is_no_alarm_what_stays_is():
    assert states(judge(), [0.1] * RECENT_WINDOWS + [1.0] * 8 + [0.1] * RECENT_WINDOWS) == ["normal"]
    assert states(judge(), [0.1] * RECENT_WINDOWS + [0.99] * (RECENT_WINDOWS // 2)) == ["normal"]
    assert states(judge(), [0.1] * RECENT_WINDOWS + [0.99] * (RECENT_WINDOWS // 2 + 1)) == ["normal", "novel"]


def test_novel_needs_all_recent_windows_to_begin_with():
    assert states(judge(), [1.0] * (RECENT_WINDOWS - 1)) == ["normal"]
    assert states(judge(), [1.0] * RECENT_WINDOWS) == ["normal", "novel"]


def test_independent_windows_of_an_unchanged_band_hardly_ever_raise_an_alarm():
    random = np.random.default_rng(0)
    independent = np.repeat(random.uniform(size=27_000), 8)  # a day of 8 segments, each window met 8 times
    alarms = states(judge(), [float(novelty) for novelty in independent]).count("novel")
    assert alarms <= 8


def test_novel_holds_until_the_median_falls_below_the_lower_limit():
    steady = judge()
    assert states(steady, [0.99] * RECENT_WINDOWS + [0.95] * 2 * RECENT_WINDOWS) == ["normal", "novel"]
    assert states(steady, [0.5] * RECENT_WINDOWS) == ["normal"]


def test_the_reason_names_figure_limit_and_nearest_cluster():
    odd = judge()
    verdicts = [v for n in range(RECENT_WINDOWS) for v in odd.assigned(window(0.995, n))]
    assert verdicts[-1].reasons == (
        "median novelty of the last 40 windows is 0.995, the limit is 0.98",
        "the nearest cluster is 7, at distance 3.25",
    )
    assert verdicts[-1].score == pytest.approx(0.995)
    assert verdicts[-1].time_ns == RECENT_WINDOWS


def test_segments_are_judged_apart():
    both = judge()
    for number in range(RECENT_WINDOWS):
        both.assigned(window(1.0, number, segment=1))
    assert both.assigned(window(0.1, 9, segment=0))[0].state == "normal"


def test_three_steps_half_outside_the_forecast_deviate_until_less_than_a_quarter_is():
    off = judge()
    states(off, [0.1])
    assert deviations(off, [0.6, 0.6, 0.6]) == ["deviating"]
    assert deviations(off, [0.3, 0.3], first=3) == []
    assert deviations(off, [0.2], first=5) == ["normal"]


def test_two_steps_outside_are_not_enough_and_the_other_segment_is_left_alone():
    off = judge()
    states(off, [0.1])
    off.assigned(window(0.1, 0, segment=1))
    assert deviations(off, [1.0, 1.0, 0.0, 1.0, 1.0]) == []


def test_novel_outranks_deviating():
    off = judge()
    states(off, [1.0] * RECENT_WINDOWS)
    assert deviations(off, [1.0, 1.0, 1.0]) == []


def test_a_step_is_compared_only_with_the_forecast_made_at_its_start():
    off = judge()
    states(off, [0.1])
    for number in range(3):
        off.forecast(forecast(number * MINUTE_NS, -1, 1))
        assert off.step(step((number + 1) * MINUTE_NS, np.full(20, 9.0))) == []
    off.forecast(forecast(0, np.nan, np.nan))
    assert off.step(step(0, np.full(20, 9.0))) == []


REASONS: tuple[GapReason, ...] = ("lost", "overflow", "source", "restart", "retuned", "gain", "clock")
SAME, OTHER = REASONS[:4], REASONS[4:]


@pytest.mark.parametrize("reason", REASONS)
def test_any_gap_forgets_the_windows(reason: GapReason):
    odd = judge()
    states(odd, [1.0] * (RECENT_WINDOWS - 1))
    odd.gap(gap(reason))
    assert states(odd, [1.0] * (RECENT_WINDOWS - 1)) == []
    assert states(odd, [1.0]) == ["novel"]


@pytest.mark.parametrize("reason", SAME)
def test_missing_rows_leave_what_steps_showed_and_what_the_next_is_expected_to_be(reason: GapReason):
    off = judge()
    states(off, [0.1])
    assert deviations(off, [1.0, 1.0]) == []
    off.forecast(forecast(2 * MINUTE_NS, -1, 1))
    off.gap(gap(reason))
    assert [v.state for v in off.step(off_step(2, 1.0))] == ["deviating"]


@pytest.mark.parametrize("reason", OTHER)
def test_a_gap_that_changes_meaning_forgets_steps_and_expectations(reason: GapReason):
    off = judge()
    states(off, [0.1])
    deviations(off, [1.0, 1.0])
    off.forecast(forecast(2 * MINUTE_NS, -1, 1))
    off.gap(gap(reason))
    assert off.step(off_step(2, 1.0)) == []
    assert deviations(off, [1.0, 1.0], first=3) == []
    assert deviations(off, [1.0], first=5) == ["deviating"]


def test_a_step_that_never_came_is_judged_by_no_other():
    off = judge()
    states(off, [0.1])
    deviations(off, [1.0, 1.0])
    off.forecast(forecast(2 * MINUTE_NS, -1, 1))
    off.gap(gap("lost"))
    assert off.step(off_step(3, 1.0)) == [], "nobody had forecast this one"
    assert off.step(off_step(2, 1.0)) == [], "the one that was forecast is past"
    assert deviations(off, [1.0], first=4) == ["deviating"], "two steps are not too far apart"


@pytest.mark.parametrize("first", [6, 600, 1, 0, -600])
def test_steps_far_apart_and_before_each_other_are_no_run(first: int):
    """After hours without rows, or a clock that went back, three steps are gathered anew."""
    off = judge()
    states(off, [0.1])
    deviations(off, [1.0, 1.0])
    off.gap(gap("restart"))
    assert deviations(off, [1.0, 1.0], first=first) == []
    assert deviations(off, [1.0], first=first + 2) == ["deviating"]


def test_row_times_may_jitter_by_less_than_half_a_step():
    """Rows that are steps of their own begin a little before or after the last one's end."""
    off = judge()
    states(off, [0.1])
    said = []
    for number, off_ns in enumerate([0, 9_000_000_000, -9_000_000_000]):
        off.forecast(forecast(number * MINUTE_NS, -1, 1))
        late = off_step(number, 1.0)
        late = dataclasses.replace(late, start_ns=late.start_ns + off_ns, end_ns=late.end_ns + off_ns)
        said += [verdict.state for verdict in off.step(late) if verdict.segment == 0]
    assert said == ["deviating"]


def test_another_gain_is_no_deviation_even_where_no_gap_says_so():
    off = judge()
    states(off, [0.1])
    deviations(off, [1.0, 1.0])
    for number in (2, 3):
        off.forecast(forecast(number * MINUTE_NS, -1, 1))
        assert off.step(dataclasses.replace(off_step(number, 1.0), gain_db=float(number))) == []


def test_a_forecast_of_other_frequencies_judges_nothing():
    off = judge()
    states(off, [0.1])
    narrow = forecast(0, -1, 1)
    off.forecast(dataclasses.replace(narrow, low=narrow.low[:, :7], high=narrow.high[:, :7]))
    assert off.step(off_step(0, 1.0)) == []


class Judging:
    """A judge as a stage."""

    def __init__(self) -> None:
        self._judge = judge()

    def push(self, item: Assignment | Forecast | Step) -> list[Verdict]:
        match item:
            case Assignment():
                return self._judge.assigned(item)
            case Step():
                return self._judge.step(item)
            case Forecast():
                self._judge.forecast(item)
        return []

    def gap(self, gap: Gap) -> list[Verdict]:
        self._judge.gap(gap)
        return []

    def state(self) -> State:
        return self._judge.state()

    def restore(self, state: State) -> None:
        self._judge.restore(state)


def a_day() -> list[Any]:
    """Windows, forecasts, steps and gaps that bring about every state."""
    items: list[Any] = [window(None, 0, 1), *(window(0.1, n) for n in range(3))]
    for number, share in enumerate([0.0, 1.0, 1.0, 1.0, 0.3, 0.0]):
        items += [forecast(number * MINUTE_NS, -1, 1), off_step(number, share)]
        items += [gap("lost")] if number == 2 else []
    items += [window(0.995, n) for n in range(RECENT_WINDOWS + 2)]
    items += [gap("clock"), *(window(0.2, n, segment) for n in range(3) for segment in (0, 1))]
    return items


def test_a_judge_stopped_anywhere_goes_on_to_the_bit():
    said = [verdict.state for verdict in drive(Judging(), a_day())]
    assert set(said) == {"warming_up", "normal", "deviating", "novel"}
    assert_lasts(Judging, a_day())


def test_the_verdicts_that_stand_are_those_that_were_given(tmp_path: Path):
    before = judge()
    assert before.standing() == []
    (normal,) = before.assigned(window(0.1, 5, segment=1))
    given = [v for n in range(RECENT_WINDOWS) for v in before.assigned(window(0.995, n))]
    write_state(tmp_path / "state", before.state())
    after = judge()
    after.restore(read_state(tmp_path / "state"))
    assert after.standing() == before.standing() == [given[-1], normal]
    assert after.standing()[0].reasons[1] == "the nearest cluster is 7, at distance 3.25"


def test_a_state_of_other_segments_is_refused():
    state = judge().state()
    one = [SEGMENTS_HZ[0]]
    where = "state of verdicts of node/band: "
    assert_refuses(
        lambda: Judge("node", "band", one), state, where + "segments is list of 2, needs 1 of them"
    )
    assert_refuses(
        lambda: Judge("node", "band", [*one, (11.0, 19.0)]),
        state,
        where + "segments: first_hz is 10.0, needs 11.0",
    )
    assert_refuses(
        lambda: Judge("attic", "band", SEGMENTS_HZ),
        state,
        "state of verdicts of attic/band: node is 'node', needs 'attic'",
    )


def test_whatever_is_wrong_with_a_state_is_refused_or_harmless():
    full = judge()
    states(full, [0.1])
    deviations(full, [1.0])
    full.forecast(forecast(MINUTE_NS, -1, 1))
    assert_refuses_spoiled(judge, full.state())


def test_what_a_judge_knows_grows_no_more_however_long_it_runs(tmp_path: Path):
    sizes = []
    long = judge()
    for hours in (1, 4):
        for number in range(hours * 60):
            states(long, [0.1] * 4)
            deviations(long, [number % 2], first=number)
        sizes.append(write_state(tmp_path / "state", long.state()))
    assert sizes[1] <= sizes[0] + 16
