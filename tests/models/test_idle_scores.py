"""Brier score and reliability against worked answers."""

import numpy as np
import pytest

from bandwatch.models.idle_scores import brier_score, reliability


def test_brier_score_of_a_worked_example_and_unknown_probabilities_count_nowhere():
    said = np.array([[0.9, 0.2], [np.nan, 0.5]], np.float32)
    came = np.array([[True, True], [True, False]])
    assert brier_score(said, came) == pytest.approx((0.01 + 0.64 + 0.25) / 3)
    assert np.isnan(brier_score(np.full(3, np.nan, np.float32), np.ones(3, bool)))


def test_what_is_said_truly_lies_on_the_diagonal():
    random = np.random.default_rng(0)
    said = random.uniform(size=100_000).astype(np.float32)
    came = random.uniform(size=100_000) < said
    found = reliability(said, came)
    np.testing.assert_allclose(found.said, np.arange(0.05, 1, 0.1), atol=0.01)
    np.testing.assert_allclose(found.came, found.said, atol=0.02)
    # Of a probability p drawn evenly, p (1 - p) is 1/6 in the mean.
    assert brier_score(said, came) == pytest.approx(1 / 6, abs=0.005)


def test_tenths_nobody_spoke_of_are_unknown():
    found = reliability(np.array([1.0, 0.0], np.float32), np.array([True, False]))
    assert found.count.tolist() == [1, 0, 0, 0, 0, 0, 0, 0, 0, 1]
    assert found.came[[0, 9]].tolist() == [0, 1]
    assert np.isnan(found.came[1:9]).all()
