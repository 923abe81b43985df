"""Verdicts: warming up, normal, novel and deviating, each with its reason and its hysteresis."""

import numpy as np
import pytest

from bandwatch.agent.verdict import RECENT_WINDOWS, Judge
from bandwatch.pipeline.frames import Assignment, Forecast, Gap, Step

SEGMENTS_HZ = [(0.0, 9.0), (10.0, 19.0)]
GAP = Gap("node", "band", 0, 1, None, "lost", 0)


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
    return Step("node", "band", 60.0, start_ns, start_ns + 60, axis, values.astype(np.float32), 1, "dB")


def deviations(judge: Judge, shares: list[float], segment: int = 0) -> list[str]:
    """One step for each share of a segment's frequencies that lie outside the forecast."""
    said = []
    for number, share in enumerate(shares):
        judge.forecast(forecast(number * 60, -1.0, 1.0))
        values = np.zeros(20)
        values[segment * 10 : segment * 10 + round(share * 10)] = 5.0
        said += [v.state for v in judge.step(step(number * 60, values)) if v.segment == segment]
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
    assert deviations(off, [0.3, 0.3]) == []
    assert deviations(off, [0.2]) == ["normal"]


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
        off.forecast(forecast(number * 60, -1, 1))
        assert off.step(step(number * 60 + 60, np.full(20, 9.0))) == []
    off.forecast(forecast(0, np.nan, np.nan))
    assert off.step(step(0, np.full(20, 9.0))) == []


def test_a_gap_forgets_what_was_gathered():
    odd = judge()
    states(odd, [1.0] * (RECENT_WINDOWS - 1))
    odd.gap(GAP)
    assert states(odd, [1.0] * (RECENT_WINDOWS - 1)) == []
    assert states(odd, [1.0]) == ["novel"]
