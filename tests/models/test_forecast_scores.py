"""RMSE and MAPE are what the third paper's section 3.3 says."""

import numpy as np
import pytest

from bandwatch.models.forecast_scores import ForecastScores


def test_figures_worked_by_hand():
    truth = np.array([[[10.0, -4.0], [2.0, 5.0]]], np.float32)  # one origin, two steps, two columns
    said = np.array([[[11.0, -2.0], [2.0, 1.0]]], np.float32)  # errors 1, 2, 0, 4
    scores = ForecastScores.of(said, truth)
    assert scores.rmse == pytest.approx(np.sqrt(21 / 4))
    assert scores.mape == pytest.approx((10 + 50 + 0 + 80) / 4)
    assert scores.rmse_by_horizon == pytest.approx(np.sqrt([5 / 2, 16 / 2]))
    assert scores.mape_by_horizon == pytest.approx([30, 40])
    assert scores.rmse_by_column == pytest.approx(np.sqrt([1 / 2, 20 / 2]))
    assert scores.mape_by_column == pytest.approx([5, 65])


def test_a_truth_of_zero_has_no_percentage_and_nothing_else_is_lost():
    truth = np.array([[[0.0, 10.0]], [[0.0, 20.0]]], np.float32)
    scores = ForecastScores.of(truth + 1, truth)
    assert scores.mape == pytest.approx((10 + 5) / 2)
    assert scores.record()["mape_by_column"] == [None, pytest.approx(7.5)]
    assert scores.rmse == pytest.approx(1)


def test_small_differences_of_large_numbers_are_not_lost():
    truth = np.full((50, 12, 8), -140.0, np.float32)
    assert ForecastScores.of(truth + np.float32(2**-10), truth).rmse == pytest.approx(2**-10)
