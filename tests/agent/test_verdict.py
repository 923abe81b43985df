"""Verdicts: warming up, normal, novel and deviating, each with its reason and its hysteresis."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bandwatch.agent.deviation import RUN_STEPS, SETTLED_STEPS, Deviation, OffRange
from bandwatch.agent.event_words import event_words
from bandwatch.agent.notes import note_of
from bandwatch.agent.verdict import RECENT_WINDOWS, Judge
from bandwatch.models.departure import Departure
from bandwatch.pipeline.frames import Assignment, Gap, GapReason, Verdict
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


def departure(number: int, share: float, segment: int = 0, jitter_ns: int = 0) -> Departure:
    """A step of which this share of a segment's frequencies, the lowest, is 6 dB above all its forecasts."""
    outside, excess_db = np.zeros((2, 20), np.float32)
    off = slice(segment * 10, segment * 10 + round(share * 10))
    outside[off], excess_db[off] = 1.0, 6.0
    start_ns = number * MINUTE_NS + jitter_ns
    axis = np.arange(20, dtype=np.float64)
    return Departure("node", "band", start_ns, start_ns + MINUTE_NS, 60.0, axis, outside, excess_db)


def told(judge: Judge, shares: list[float], segment: int = 0, first: int = 0) -> list[Verdict | Deviation]:
    """What is said of a segment, of one step for each share."""
    found = [
        each
        for number, share in enumerate(shares, start=first)
        for each in judge.departed(departure(number, share, segment))
    ]
    return [each for each in found if each.segment == segment]


def settled(novelties: Sequence[float] = (0.1,)) -> Judge:
    """A judge that has seen what is usual: steps at their forecasts, up to a minute before step 0."""
    made = judge()
    states(made, list(novelties))
    told(made, [0.0] * (SETTLED_STEPS + RUN_STEPS), first=-SETTLED_STEPS - RUN_STEPS)
    return made


def deviations(judge: Judge, shares: list[float], segment: int = 0, first: int = 0) -> list[str]:
    return [each.state for each in told(judge, shares, segment, first) if isinstance(each, Verdict)]


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


def test_five_steps_off_their_forecasts_deviate_until_one_is_back():
    off = settled()
    assert deviations(off, [0.4] * 4) == []
    assert deviations(off, [0.4], first=4) == ["deviating"]
    assert deviations(off, [0.2, 0.3, 0.2], first=5) == [], "half of the limit keeps it up"
    assert deviations(off, [0.1], first=8) == ["normal"]


def test_four_steps_are_not_enough_and_the_other_segment_is_left_alone():
    off = settled()
    off.assigned(window(0.1, 0, segment=1))
    assert deviations(off, [1.0] * 4 + [0.0] + [1.0] * 4) == []
    assert deviations(off, [1.0] * 9, segment=1, first=60) == ["deviating"]


def test_a_deviation_is_told_as_it_begins_and_ends_with_where_and_by_how_much():
    off = settled()
    said = told(off, [0.0, 0.5, 0.6, 0.6, 0.6, 0.7, 0.8, 0.0])
    ranges = (OffRange(0.0, 6.0, 7, 6.0),)
    begun = Deviation("node", "band", 0, MINUTE_NS, None, pytest.approx(0.7), 0.35, ranges)
    ended = dataclasses.replace(begun, ended_ns=7 * MINUTE_NS, share=pytest.approx(0.8))
    assert [each for each in said if isinstance(each, Deviation)] == [begun, ended]
    away, back = [each for each in said if isinstance(each, Verdict)]
    assert away.reasons == (
        "70% of the segment's forecasts are missed since 1970-01-01 00:01:00 UTC, the limit is 35%",
        "0.00–6.00 Hz 6.0 dB above forecast",
    )
    assert away.score == pytest.approx(0.7)
    assert back.reasons[-1] == "it deviated from 1970-01-01 00:01:00 UTC to 1970-01-01 00:07:00 UTC"


def test_a_deviation_names_the_other_segments_that_deviate_as_it_begins():
    off, begun = settled(), {}
    for number in range(9):  # segment 0 from step 0 on, segment 1 from step 2 on
        both = departure(number, 1.0)
        if number >= 2:
            both = dataclasses.replace(both, outside_ratio=np.ones(20, np.float32))
        for each in off.departed(both):
            if isinstance(each, Deviation):
                begun[each.segment] = each.begun_ns // MINUTE_NS, each.beside, each
    assert {segment: said[:2] for segment, said in begun.items()} == {0: (0, ()), 1: (2, (0,))}
    note = note_of(begun[1][2], 0)
    assert event_words(note).startswith("segment 1 (and 0 at that time): 100% of its forecasts are missed")
    at_once, told_at_once = settled(), []
    for number in range(6):
        step = dataclasses.replace(departure(number, 1.0), outside_ratio=np.ones(20, np.float32))
        told_at_once += [each for each in at_once.departed(step) if isinstance(each, Deviation)]
    assert [each.beside for each in told_at_once] == [(1,), (0,)]
    ends = [each for each in at_once.departed(departure(6, 0.0)) if isinstance(each, Deviation)]
    assert [(each.ended_ns is not None, each.beside) for each in ends] == [(True, ())] * 2


def test_neighbours_that_are_off_on_the_same_side_are_one_range():
    off, outside = settled(), np.zeros(20, np.float32)
    excess_db = np.array([3, 5, -4, 0, 9, 9, 9, 0, 0, 1] + [0] * 10, np.float32)
    outside[[0, 1, 2, 4, 5, 6, 9]] = 0.75
    outside[3] = np.nan
    said = []
    for number in range(5):
        step = dataclasses.replace(departure(number, 0), outside_ratio=outside, excess_db=excess_db)
        said += [each for each in off.departed(step) if isinstance(each, Deviation)]
    (begun,) = said
    assert begun.ranges == (OffRange(4, 6, 3, 9.0), OffRange(0, 1, 2, 4.0), OffRange(2, 2, 1, -4.0))


def test_a_band_that_often_departs_has_a_limit_of_its_own():
    """Three in a hundred steps are the last of fives of 0.5: that is usual here, 0.8 is not."""
    busy = settled()
    night = ([0.0] * 93 + [0.5] * 7) * 6
    assert deviations(busy, night) == ["deviating", "normal"] * 2, "200 steps until it is known"
    assert deviations(busy, [0.5] * 7 + [0.0], first=600) == []
    assert deviations(busy, [0.8] * 6, first=608) == ["deviating"]


def test_before_it_is_known_what_is_usual_nothing_deviates():
    new = judge()
    states(new, [0.1])
    assert deviations(new, [1.0] * SETTLED_STEPS) == []
    assert deviations(new, [1.0] * RUN_STEPS, first=SETTLED_STEPS) == ["deviating"]


def test_novel_outranks_deviating_which_is_told_all_the_same():
    off = settled([1.0] * RECENT_WINDOWS)
    said = told(off, [1.0] * 7)
    assert [type(each) for each in said] == [Deviation]


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
def test_missing_rows_leave_what_steps_showed(reason: GapReason):
    off = settled()
    assert deviations(off, [1.0] * 4) == []
    assert off.gap(gap(reason)) == []
    assert deviations(off, [1.0], first=6) == ["deviating"]


@pytest.mark.parametrize("reason", OTHER)
def test_a_gap_that_changes_meaning_forgets_steps_and_ends_a_deviation(reason: GapReason):
    off = settled()
    assert deviations(off, [1.0] * 4) == []
    assert off.gap(gap(reason)) == []
    assert deviations(off, [1.0] * 4, first=4) == []
    assert deviations(off, [1.0], first=8) == ["deviating"]
    (ended,) = off.gap(gap(reason))
    assert (ended.begun_ns, ended.ended_ns) == (4 * MINUTE_NS, 9 * MINUTE_NS)
    assert off.gap(gap(reason)) == []
    assert states(off, [0.1]) == ["normal"]


@pytest.mark.parametrize("first", [10, 600, 3, 0, -600])
def test_steps_far_apart_and_before_each_other_are_no_run(first: int):
    """After hours without rows, or a clock that went back, five steps are gathered anew."""
    off = settled()
    deviations(off, [1.0] * 4)
    off.gap(gap("restart"))
    assert deviations(off, [1.0] * 4, first=first) == []
    assert deviations(off, [1.0], first=first + 4) == ["deviating"]


def test_row_times_may_jitter_by_less_than_half_a_step():
    """Rows that are steps of their own begin a little before or after the last one's end."""
    off = settled()
    said = []
    for number, late_ns in enumerate([0, 9_000_000_000, -9_000_000_000, 0, 0]):
        said += off.departed(departure(number, 1.0, jitter_ns=late_ns))
    assert [each.segment for each in said if isinstance(each, Deviation)] == [0]


class Judging:
    """A judge as a stage."""

    def __init__(self) -> None:
        self._judge = judge()

    def push(self, item: Assignment | Departure) -> list[Any]:
        return self._judge.assigned(item) if isinstance(item, Assignment) else self._judge.departed(item)

    def gap(self, gap: Gap) -> list[Deviation]:
        return self._judge.gap(gap)

    def state(self) -> State:
        return self._judge.state()

    def restore(self, state: State) -> None:
        self._judge.restore(state)


def a_day() -> list[Any]:
    """Windows, departures and gaps that bring about every state."""
    items: list[Any] = [window(None, 0, 1), *(window(0.1, n) for n in range(3))]
    for number, share in enumerate([0.0] * 101 + [1.0, 1.0, 1.0, 1.0, 1.0, 0.3, 0.0]):
        items.append(departure(number, share))
        items += [gap("lost")] if number == 103 else []
    items += [window(0.995, n) for n in range(RECENT_WINDOWS + 2)]
    items += [gap("clock"), *(window(0.2, n, segment) for n in range(3) for segment in (0, 1))]
    return items


def test_a_judge_stopped_anywhere_goes_on_to_the_bit():
    said = [each.state for each in drive(Judging(), a_day()) if isinstance(each, Verdict)]
    assert set(said) == {"warming_up", "normal", "deviating", "novel"}
    assert_lasts(Judging, a_day(), moments=[*range(0, 100, 30), *range(100, 120), 140, 157, 165])


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
    told(full, [0.0] * 110 + [1.0] * 5)
    assert_refuses_spoiled(judge, full.state())


def test_what_a_judge_knows_grows_no_more_however_long_it_runs(tmp_path: Path):
    sizes = []
    long = judge()
    for hours in (20, 4):
        for number in range(hours * 60):
            states(long, [0.1] * 4)
            deviations(long, [number % 2], first=number)
        sizes.append(write_state(tmp_path / "state", long.state()))
    assert sizes[1] <= sizes[0] + 16
