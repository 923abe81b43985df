"""The contest says how probable it is that what it forecasts lies below a level."""

from __future__ import annotations

import numpy as np

from bandwatch.models.contest import Contest
from bandwatch.pipeline.frames import Forecast
from bandwatch.pipeline.histories import Histories
from bandwatch.tests.steps_made import as_steps


def newest(rows: int) -> tuple[Contest, Forecast]:
    """Of 40 frequencies that are -90 dB and normal noise of 1 dB."""
    values = np.random.default_rng(0).normal(-90, 1, size=(rows, 40)).astype(np.float32)
    contest, histories, found = Contest("node", "band", []), Histories(), []
    for step in as_steps(values):
        contest.push(step)
        found += [output for history in histories.push(step) for output in contest.push(history)]
    forecast = found[-1]
    assert isinstance(forecast, Forecast)
    return contest, forecast


def test_levels_far_off_are_certain_and_the_median_is_even() -> None:
    contest, forecast = newest(90)
    for level_db, wanted in ((-110.0, 0.0), (-90.0, 0.5), (-70.0, 1.0)):
        told = contest.with_idle(forecast, level_db)
        assert told.idle is not None
        assert told.idle_below_db == level_db
        # Repeat-last is off by the last value's own noise: even only in the mean over channels.
        assert abs(told.idle.mean() - wanted) < 0.1
    np.testing.assert_array_equal(told.mean, forecast.mean)


def test_the_interval_and_the_probability_are_of_one_distribution() -> None:
    contest, forecast = newest(90)
    told = contest.with_idle(forecast, float(forecast.high[4, 7]))
    assert told.idle is not None
    assert abs(told.idle[4, 7] - 0.95) < 1e-3


def test_it_says_nothing_before_it_knows_and_without_a_level() -> None:
    contest, forecast = newest(26)
    told = contest.with_idle(forecast, -90.0)
    assert told.idle is not None
    assert np.isnan(told.idle).all()
    assert contest.with_idle(forecast, float("nan")).idle is None
