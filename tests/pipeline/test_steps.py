"""Steps: means of rows on whole multiples of the step; short holes are bridged, changes are not."""

import tracemalloc
from collections import Counter
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bandwatch.pipeline.frames import Gap, PsdFrame
from bandwatch.pipeline.stage import drive
from bandwatch.pipeline.steps import FrequencyGroups, Steps
from bandwatch.tests.jig import SECOND, assert_is_stage, assert_lasts, gap_before, rows, same


def test_passes_the_jig():
    assert_is_stage(
        lambda: Steps(10), rows(95), make_gap=lambda row: gap_before(row, "clock"), gap_forgets=False
    )


@pytest.mark.parametrize("reason", ["lost", "clock"])
def test_it_lasts(reason):
    items = rows(35, bins=8)
    retuned = rows(15, bins=12, gain_db=3.0)
    items = [*items[:14], gap_before(items[15], reason), *items[15:], *retuned]
    assert_lasts(lambda: Steps(10), items, moments=[*range(0, 36, 3), 14, 15, 16, 34, 35, 36, 50])


def test_a_state_of_other_steps_is_none():
    quarters, minutes = Steps(900), Steps(10)
    drive(quarters, rows(5))
    minutes.restore(quarters.state())
    assert same(drive(minutes, rows(20)), drive(Steps(10), rows(20)))


def test_a_step_is_the_mean_of_its_rows():
    items = rows(20, bins=8)
    steps = drive(Steps(10), items)
    assert [step.rows for step in steps] == [10, 10]
    expected = np.mean([item.power_db.astype(float) for item in items[:10]], axis=0)
    np.testing.assert_allclose(steps[0].values, expected, rtol=1e-6)
    assert steps[0].start_ns == items[0].time_ns
    assert steps[0].end_ns == steps[1].start_ns == items[10].time_ns


def test_steps_lie_on_whole_multiples_and_a_half_heard_first_one_is_left_out():
    for late, first_rows in ((4, 6), (6, None)):
        steps = drive(Steps(10), rows(40)[late:])
        assert all(step.start_ns % (10 * SECOND) == 0 for step in steps)
        assert steps[0].rows == (first_rows or 10)


def test_a_row_longer_than_the_step_is_a_step():
    items = rows(3, duration_ns=900 * SECOND)
    steps = drive(Steps(60), items)
    assert [step.step_s for step in steps] == [900.0] * 3
    np.testing.assert_array_equal(steps[1].values, items[1].power_db)


def test_jitter_around_the_step_boundary_loses_and_repeats_no_row():
    base = rows(600, duration_ns=106_680_870)
    random = np.random.default_rng(3)
    items = [
        type(frame)(**{f: getattr(frame, f) for f in frame.__slots__} | {"time_ns": frame.time_ns + int(j)})
        for frame, j in zip(base, random.integers(-12_000_000, 12_000_000, len(base)), strict=True)
    ]
    steps = drive(Steps(10), items)
    assert all(b.start_ns == a.end_ns for a, b in pairwise(steps))
    assert all(93 <= step.rows <= 95 for step in steps)


@pytest.mark.parametrize("seed", range(5))
def test_jitter_at_the_boundary_itself_skips_no_step(seed):
    random = np.random.default_rng(seed)
    items = [
        type(frame)(**{f: getattr(frame, f) for f in frame.__slots__} | {"time_ns": frame.time_ns + int(j)})
        for frame, j in zip(rows(200), random.integers(-60_000_000, 60_000_000, 200), strict=True)
    ]
    steps = drive(Steps(10), items)
    assert len(steps) in (19, 20)
    assert all(b.start_ns == a.end_ns for a, b in pairwise(steps))
    assert all(step.rows == 10 for step in steps[1:])


def test_a_silent_second_at_the_boundary_still_closes_the_step():
    items = rows(100, duration_ns=SECOND // 5)
    steps = drive(Steps(10), items[:48] + items[52:])
    assert [step.rows for step in steps] == [48, 48]


def test_many_bins_are_averaged_in_groups():
    items = rows(10, bins=1024)
    step = drive(Steps(10, most_frequencies=256), items)[0]
    assert step.values.shape == (256,)
    assert step.frequencies_hz[0] == pytest.approx(items[0].first_hz + 1.5 * 187.5)
    whole = drive(Steps(10, most_frequencies=1024), items)[0]
    np.testing.assert_allclose(step.values, whole.values.reshape(256, 4).mean(axis=1), atol=1e-4)


def test_the_last_group_may_be_smaller():
    groups = FrequencyGroups(10, 100.0, 1.0, 4)
    assert groups.average(np.arange(10.0)).tolist() == [1, 4, 7, 9]
    assert groups.frequencies_hz.tolist() == [101, 104, 107, 109]


def test_a_retuned_band_starts_anew():
    steps = Steps(10)
    drive(steps, rows(5))
    assert drive(steps, rows(10, center_hz=1e9))[0].rows == 10


@pytest.mark.parametrize("reason", ["retuned", "gain", "clock"])
def test_the_step_in_which_rows_begin_to_mean_something_else_is_never_given_out(reason):
    steps = Steps(10)
    items = rows(40)
    drive(steps, items[:12])
    steps.gap(gap_before(items[13], reason))
    after = drive(steps, items[13:])
    assert [step.start_ns for step in after] == [items[20].time_ns, items[30].time_ns]
    steps.gap(gap_before(items[30], reason))
    assert drive(steps, items[30:])[0].start_ns == items[30].time_ns


@pytest.mark.parametrize("reason", ["lost", "overflow", "source", "restart"])
@pytest.mark.parametrize(
    ("hole", "heard"),
    [
        ((13, 14), [10, 9, 10, 10]),
        ((10, 11), [10, 9, 10, 10]),
        ((19, 21), [10, 9, 9, 10]),
        ((12, 17), [10, 5, 10, 10]),
        ((12, 18), [10, None, 10, 10]),
        ((8, 25), [8, None, 5, 10]),
        ((4, 36), [None, None, None, None]),
    ],
)
def test_a_step_with_a_hole_counts_where_rows_cover_half_of_it(reason, hole, heard):
    items = rows(40, bins=8)
    after = [replace(row, stream=8) if reason == "restart" else row for row in items[hole[1] :]]
    done = drive(Steps(10), [*items[: hole[0]], gap_before(items[hole[1]], reason), *after])
    expected = {items[10 * number].time_ns: rows for number, rows in enumerate(heard) if rows}
    assert {step.start_ns: step.rows for step in done} == expected
    for step in done:
        inside = [
            row.power_db.astype(float)
            for row in [*items[: hole[0]], *items[hole[1] :]]
            if step.start_ns <= row.time_ns < step.end_ns
        ]
        np.testing.assert_allclose(step.values, np.mean(inside, axis=0), rtol=1e-6)


def test_a_restart_on_other_frequencies_does_not_go_on_with_the_step():
    items, other = rows(20), rows(20, center_hz=1e9, stream=8)
    done = drive(Steps(10), [*items[:6], gap_before(other[6], "restart", None), *other[6:]])
    assert [(step.rows, step.frequencies_hz[0] > 9e8) for step in done] == [(10, True)]


def test_rows_dated_back_after_a_loss_are_in_no_step_that_was_given_out_or_begun():
    """A publisher that starts again on a machine whose clock was set back says `restart`, not `clock`."""
    items = rows(60, bins=8)
    back = [replace(row, time_ns=row.time_ns - 23 * SECOND) for row in items]
    for cut, starts in ((38, [0, 1, 2, 2]), (30, [0, 1, 2, 1, 2])):
        done = drive(Steps(10), [*items[:cut], gap_before(back[cut], "restart", None), *back[cut:]])
        assert [(step.start_ns - items[0].time_ns) // (10 * SECOND) for step in done] == starts
        assert {step.rows for step in done} == {10}


@pytest.mark.parametrize("reason", ["clock", "lost"])
@pytest.mark.parametrize("years", [56, -50])
def test_a_leap_of_decades_costs_the_step_it_fell_into_and_no_time(reason, years):
    items = rows(40, bins=8)
    leapt = [replace(row, time_ns=row.time_ns + years * 31_557_600 * SECOND) for row in items]
    tracemalloc.start()
    done = drive(Steps(10), [*items[:13], gap_before(items[13], reason), *leapt[13:]])
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    first, *after = done
    assert first.start_ns == items[0].time_ns
    # Forwards the rest of the step may count: nothing tells whether it began with these rows.
    assert [step.start_ns for step in after][-2:] == [leapt[20].time_ns, leapt[30].time_ns]
    assert len(after) <= 3
    assert peak_bytes < 1_000_000


PIECE = st.tuples(
    st.sampled_from([None, "lost", "restart", "clock", "gain"]),
    st.one_of(st.integers(0, 25), st.sampled_from([-40, -3, 10**9])),
    st.integers(1, 30),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(PIECE, min_size=1, max_size=8))
def test_every_step_given_out_is_all_the_rows_of_one_stretch_that_are_dated_in_it(pieces):
    template = rows(1, bins=2)[0]
    items: list[PsdFrame | Gap] = []
    stretches: list[list[int]] = [[]]
    second = template.time_ns // SECOND
    for reason, leap_s, count in pieces:
        if reason is not None:
            second += leap_s
            row = replace(template, time_ns=second * SECOND)
            items.append(gap_before(row, reason))
            if reason in ("clock", "gain"):
                stretches.append([])
        for _ in range(count):
            if stretches[-1] and second < stretches[-1][-1]:
                stretches.append([])
            stretches[-1].append(second)
            items.append(replace(template, time_ns=second * SECOND))
            second += 1
    expected: list[tuple[int, int]] = []
    for number, stretch in enumerate(filter(None, stretches)):
        whole_from = stretch[0] if number else 0
        for index, heard in sorted(Counter(second // 10 for second in stretch).items()):
            is_over = stretch[-1] + 1 >= 10 * (index + 1)
            if heard >= 5 and is_over and 10 * index >= whole_from:
                expected.append((10 * index, heard))
    assert [(step.start_ns // SECOND, step.rows) for step in drive(Steps(10), items)] == expected
