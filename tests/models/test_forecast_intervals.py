"""Coverage and interval score of forecasters, as the agent's intervals would have had them."""

import numpy as np
import pytest

from bandwatch.models.forecast_intervals import IntervalFigures, RunningIntervals


def drawn(rows, *, seed=0):
    """Forecasts of 0 of a truth that is standard normal, every row anew, at every origin."""
    series = np.random.default_rng(seed).normal(size=(rows + 12, 5)).astype(np.float32)
    origins = np.arange(100, 100 + rows)
    truth = np.stack([series[number : number + 12] for number in range(rows)])
    return np.zeros_like(truth), truth, origins


def scored(forecasts, truth, origins):
    return IntervalFigures.of(RunningIntervals.of(forecasts, truth, origins), truth)


def test_normal_errors_are_covered_as_often_and_scored_as_theory_says():
    figures = scored(*drawn(1200))
    assert figures.coverage == pytest.approx(0.9, abs=0.015)
    # Width 2 z and 40 (density(z) - 0.05 z), z the 0.95 quantile: the score of the true quantiles.
    assert figures.width == pytest.approx(3.290, rel=0.05)
    assert figures.score == pytest.approx(4.125, rel=0.03)


def test_the_first_96_rows_only_teach():
    forecasts, truth, origins = drawn(97)
    assert np.isnan(scored(forecasts[:96], truth[:96], origins[:96]).coverage)
    forecasts[96], truth[96] = 0, 1000  # of the only one that is scored, all lie outside
    assert scored(forecasts, truth, origins).coverage == 0


def test_an_interval_rests_on_rows_before_its_origin():
    forecasts, truth, origins = drawn(200)
    rows = origins[:, np.newaxis] + np.arange(12)  # of the targets
    corrupt = np.where((rows >= 250)[:, :, np.newaxis], np.float32(1e4), truth)
    before, after = (RunningIntervals.of(forecasts, each, origins).high for each in (truth, corrupt))
    assert np.isfinite(before[50:]).all()
    same = (before == after) | np.isnan(before)
    assert same[origins <= 250].all()
    assert not same[origins == 251].all()


def test_rows_left_out_do_no_harm():
    forecasts, truth, origins = drawn(800)
    kept = (origins < 400) | (origins > 436)
    figures = scored(forecasts[kept], truth[kept], origins[kept])
    assert figures.coverage == pytest.approx(0.9, abs=0.02)
