"""Steps: means of rows on whole multiples of the step, and none across a gap."""

from itertools import pairwise

import numpy as np
import pytest

from bandwatch.pipeline.stage import drive
from bandwatch.pipeline.steps import FrequencyGroups, Steps
from bandwatch.tests.jig import SECOND, assert_is_stage, assert_lasts, gap_before, rows, same


def test_passes_the_jig():
    assert_is_stage(lambda: Steps(10), rows(95), make_gap=gap_before, gap_forgets=False)


@pytest.mark.parametrize("reason", ["lost", "clock"])
def test_it_lasts(reason):
    items = rows(45, bins=8)
    retuned = rows(25, bins=12, gain_db=3.0)
    assert_lasts(lambda: Steps(10), [*items[:14], gap_before(items[15], reason), *items[15:], *retuned])


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


def test_the_step_that_a_gap_fell_into_is_never_given_out():
    steps = Steps(10)
    items = rows(40)
    drive(steps, items[:12])
    steps.gap(gap_before(items[13]))
    after = drive(steps, items[13:])
    assert [step.start_ns for step in after] == [items[20].time_ns, items[30].time_ns]
    steps.gap(gap_before(items[30]))
    assert drive(steps, items[30:])[0].start_ns == items[30].time_ns
