"""Histories: 24 steps in a row, older ones behind them, views that never change."""

import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bandwatch.pipeline.continuity import Continuity
from bandwatch.pipeline.frames import Gap, GapReason, PowerUnit, Step
from bandwatch.pipeline.histories import Histories
from bandwatch.pipeline.noise_floor import NoiseFloor
from bandwatch.pipeline.stage import drive
from bandwatch.pipeline.steps import Steps
from bandwatch.pipeline.windows import Windower
from bandwatch.tests.jig import SECOND, assert_is_stage, assert_lasts, rows


def steps(
    count: int, first: int = 0, frequencies: int = 3, step_s: float = 60.0, unit: PowerUnit = "dB"
) -> list[Step]:
    made = []
    for number in range(first, first + count):
        values = np.full(frequencies, number, dtype=np.float32)
        values.flags.writeable = False
        axis = np.arange(frequencies, dtype=np.float64)
        start_ns = int(number * step_s * SECOND)
        made.append(
            Step("node", "band", step_s, start_ns, start_ns + int(step_s * SECOND), axis, values, 1, unit)
        )
    return made


def gap_of(step: Step, reason: GapReason = "lost") -> Gap:
    return Gap(step.node, step.band, 0, 1, None, reason, step.start_ns)


def test_passes_the_jig():
    assert_is_stage(Histories, steps(60), make_gap=lambda step: gap_of(step, "clock"), gap_forgets=False)


def test_it_lasts():
    items = steps(100)
    counts = steps(30, 100, unit="counts")
    several = [*items[:40], gap_of(items[40]), *items[40:60], gap_of(items[60], "gain"), *items[62:], *counts]
    assert_lasts(lambda: Histories(season_days=0.03), several, moments=range(0, len(several), 7))


def test_the_first_history_comes_with_the_24th_step_and_then_one_each_step():
    counts = [len(drive(Histories(), steps(n))) for n in (23, 24, 25, 30)]
    assert counts == [0, 1, 2, 7]


def test_a_history_holds_the_last_24_and_what_was_before():
    history = drive(Histories(), steps(40))[-1]
    assert history.values[:, 0].tolist() == list(range(16, 40))
    assert history.season[:, 0].tolist() == list(range(16))
    assert history.season_end_ns[-1] == history.end_ns - 24 * 60 * SECOND


@pytest.mark.parametrize("reason", ["lost", "overflow", "source", "restart"])
def test_a_gap_within_a_step_is_bridged(reason):
    stage = Histories()
    drive(stage, steps(30))
    stage.gap(gap_of(steps(1, 30)[0], reason))
    [history] = drive(stage, steps(1, 30))
    assert history.values[:, 0].tolist() == list(range(7, 31))


@pytest.mark.parametrize("reason", ["retuned", "gain", "clock"])
def test_no_history_spans_a_change_but_the_season_remembers(reason):
    stage = Histories()
    drive(stage, steps(30))
    stage.gap(gap_of(steps(1, 30)[0], reason))
    later = drive(stage, steps(25, 31))
    assert len(later) == 2
    assert later[0].values[:, 0].tolist() == list(range(31, 55))
    assert later[0].season[:, 0].tolist() == list(range(30))


def test_a_missing_step_is_a_gap_even_when_nobody_said_so():
    stage = Histories()
    drive(stage, steps(30))
    assert drive(stage, steps(23, 31)) == []


def test_other_frequencies_or_another_unit_forget_the_season():
    stage = Histories()
    drive(stage, steps(30))
    stage.gap(gap_of(steps(1, 30)[0], "restart"))
    assert drive(stage, steps(24, 30, unit="counts"))[0].season.shape == (0, 3)
    assert drive(stage, steps(24, 60, unit="counts", frequencies=5))[0].season.shape == (0, 5)


def test_steps_whose_times_jitter_follow_one_another_and_a_missing_one_does_not():
    random = np.random.default_rng(0)
    jittered = [
        replace(step, start_ns=step.start_ns + int(j), end_ns=step.end_ns + int(j))
        for step, j in zip(steps(60), random.integers(-2 * SECOND, 2 * SECOND, 60), strict=True)
    ]
    assert len(drive(Histories(), jittered)) == 60 - 23
    assert len(drive(Histories(), jittered[:30] + jittered[31:])) == 7 + 6


def test_the_season_is_bounded():
    day_steps = steps(40, step_s=86_400.0)
    history = drive(Histories(season_days=8), day_steps)[-1]
    assert history.season[:, 0].tolist() == list(range(8, 16))


def leap(step: Step, by_steps: int) -> Step:
    by_ns = round(by_steps * step.step_s * SECOND)
    return replace(step, start_ns=step.start_ns + by_ns, end_ns=step.end_ns + by_ns)


def test_after_a_leap_back_the_season_ends_before_the_history_begins():
    items = steps(100)
    back = [leap(step, -60) for step in steps(200, 100)]
    histories = drive(Histories(), [*items, gap_of(back[0], "clock"), *back])
    after = histories[100 - 23 :]
    # Dated 40..63 at first: what was dated 40..99 before is not older than that.
    assert after[0].season[:, 0].tolist() == list(range(40))
    assert after[100].season[:, 0].tolist() == [*range(40), *range(100, 200)]


def test_a_clock_that_errs_for_a_while_costs_no_season():
    """Whether to 1970 or half a century ahead: when it is right again the days before are there."""
    for years in (-55, 55):
        items = steps(100)
        astray = [leap(step, years * 525_960) for step in steps(30, 100)]
        items += [gap_of(astray[0], "clock"), *astray, gap_of(steps(1, 130)[0], "clock"), *steps(40, 130)]
        last = drive(Histories(), items)[-1]
        assert last.season[:, 0].tolist() == [*range(100), *range(130, 146)]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(-90, 90), st.integers(1, 60), st.booleans()), min_size=1, max_size=8))
def test_the_season_ascends_whatever_the_clock_does(runs):
    stage = Histories(season_days=100 / 1440)
    number, place = 0, 1000
    pushed: list[tuple[int, int]] = []  # ends and values
    for leap_steps, count, is_told in runs:
        place += leap_steps
        if is_told:
            stage.gap(gap_of(steps(1, place)[0], "clock"))
        for step in steps(count, place):
            valued = replace(step, values=np.full(3, number, np.float32))
            for history in stage.push(valued):
                expected: list[tuple[int, int]] = []
                least_ns = first_ns = pushed[-23][0]
                for end_ns, value in reversed(pushed[-123:-23]):
                    if first_ns - 100 * 60 * SECOND <= end_ns < least_ns:
                        expected.insert(0, (end_ns, value))
                        least_ns = end_ns
                given_out = zip(history.season_end_ns.tolist(), history.season[:, 0].tolist(), strict=True)
                assert list(given_out) == expected
                assert (np.diff(history.season_end_ns) > 0).all()
                assert history.values[:, 0].tolist() == list(range(number - 23, number + 1))
            pushed.append((step.end_ns, number))
            number += 1
        place += count


def test_histories_already_given_never_change():
    stage = Histories(season_days=0.05)
    given = drive(stage, steps(100))
    copies = [(history.values.copy(), history.season.copy()) for history in given]
    drive(stage, steps(400, 100))
    for history, (values, season) in zip(given, copies, strict=True):
        np.testing.assert_array_equal(history.values, values)
        np.testing.assert_array_equal(history.season, season)


def test_a_machine_without_a_clock_battery_loses_a_history_when_its_clock_is_set_and_nothing_grows():
    """Rows dated 1970; then the network is there, and they are dated 56 years later."""
    first_ns = rows(1)[0].time_ns
    frames = [replace(row, time_ns=row.time_ns - first_ns + 90 * SECOND) for row in rows(900, bins=40)]
    leap_ns = (56 * 31_557_600 + 3) * SECOND
    frames[300:] = [replace(row, time_ns=row.time_ns + leap_ns) for row in frames[300:]]
    continuity, noise_floor, windower = Continuity(), NoiseFloor(), Windower(16)
    by_rows, histories = Steps(10), Histories()
    tracemalloc.start()
    found, windows = [], 0
    for item in drive(continuity, frames):
        if isinstance(item, Gap):
            for stage in (noise_floor, windower, by_rows, histories):
                stage.gap(item)
        else:
            windows += sum(len(windower.push(row)) for row in noise_floor.push(item))
            found += [history for step in by_rows.push(item) for history in histories.push(step)]
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_bytes < 2_000_000
    assert windows == ((300 - 128) // 16 + 1) + ((600 - 128) // 16 + 1)
    # Thirty whole steps of ten rows before; after it 60 less the one that the leap fell into.
    assert len(found) == (30 - 23) + (59 - 23)
    # What was heard in 1970 is more than eight days ago.
    assert [len(history.season) for history in found] == [*range(7), *range(36)]
