"""Histories: 24 steps in a row, older ones behind them, views that never change."""

from dataclasses import replace

import numpy as np

from bandwatch.pipeline.frames import Gap, GapReason, PowerUnit, Step
from bandwatch.pipeline.histories import Histories
from bandwatch.pipeline.stage import drive
from bandwatch.tests.jig import SECOND, assert_is_stage, assert_lasts


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
    assert_is_stage(Histories, steps(60), make_gap=gap_of, gap_forgets=False)


def test_it_lasts():
    items = steps(100)
    counts = steps(30, 100, unit="counts")
    several = [*items[:40], gap_of(items[40]), *items[40:60], gap_of(items[60], "gain"), *items[62:], *counts]
    assert_lasts(lambda: Histories(season_days=0.03), several, moments=range(0, len(several), 3))


def test_the_first_history_comes_with_the_24th_step_and_then_one_each_step():
    counts = [len(drive(Histories(), steps(n))) for n in (23, 24, 25, 30)]
    assert counts == [0, 1, 2, 7]


def test_a_history_holds_the_last_24_and_what_was_before():
    history = drive(Histories(), steps(40))[-1]
    assert history.values[:, 0].tolist() == list(range(16, 40))
    assert history.season[:, 0].tolist() == list(range(16))
    assert history.season_end_ns[-1] == history.end_ns - 24 * 60 * SECOND


def test_no_history_spans_a_gap_but_the_season_remembers():
    stage = Histories()
    drive(stage, steps(30))
    stage.gap(gap_of(steps(1, 30)[0]))
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


def test_histories_already_given_never_change():
    stage = Histories(season_days=0.05)
    given = drive(stage, steps(100))
    copies = [(history.values.copy(), history.season.copy()) for history in given]
    drive(stage, steps(400, 100))
    for history, (values, season) in zip(given, copies, strict=True):
        np.testing.assert_array_equal(history.values, values)
        np.testing.assert_array_equal(history.season, season)
