"""Importance by permutation and occlusion: of forecasters whose answer is known."""

import numpy as np
import pytest

from bandwatch.explain.importance import (
    Asked,
    most_important,
    occlusion_importance,
    permutation_importance,
    step_occlusion,
)
from bandwatch.pipeline.errors import BadInput

ROWS = 400


class Weighted:
    """Forecasts every output as 3 times column 1 and once column 2, of `back` rows before the origin."""

    name = "weighted"

    def __init__(self, back: int = 1, needs_rows: int = 24) -> None:
        self.back, self.needs_rows = back, needs_rows

    def forecasts(self, values, origins):
        seen = values[origins - self.back]
        seen = np.where(np.isfinite(seen), seen, 0)
        return (3 * seen[:, 1] + seen[:, 2])[:, None, None].repeat(12, axis=1).astype(np.float32)


@pytest.fixture
def values():
    """Four columns of noise; column 0 is, twelve rows long, what `Weighted` forecasts."""
    noise = np.random.default_rng(0).normal(size=(ROWS, 4)).astype(np.float32)
    noise[:, 0] = 0
    for origin in range(24, ROWS - 11, 12):
        noise[origin : origin + 12, 0] = 3 * noise[origin - 1, 1] + noise[origin - 1, 2]
    return noise


ORIGINS = np.arange(24, ROWS - 11, 12)


def test_permutation_costs_what_it_takes_away(values):
    # Forecasts are perfect. With another window's value, each errs by w (x - x'): sqrt(2) w sigma.
    asked = Asked.of(Weighted(), values, ORIGINS, slice(0, 1))
    found = permutation_importance(asked, repeats=40)
    sigma = values[ORIGINS - 1].std(axis=0)
    np.testing.assert_allclose(found[[1, 2]], np.sqrt(2) * np.array([3, 1]) * sigma[[1, 2]], rtol=0.1)
    assert not found[[0, 3]].any()
    assert most_important(found, 2).tolist() == [1, 2]


def test_occlusion_changes_what_it_hides(values):
    asked = Asked.of(Weighted(), values, ORIGINS, slice(0, 1))
    fill = np.array([0, 1, 2, 0], np.float32)
    expected = [0, *(weight * np.abs(values[ORIGINS - 1, c] - c).mean() for c, weight in ((1, 3), (2, 1))), 0]
    np.testing.assert_allclose(occlusion_importance(asked, fill), expected, rtol=1e-5)


def test_the_step_that_is_looked_at_is_found(values):
    asked = Asked.of(Weighted(back=7), values, ORIGINS, slice(0, 1))
    found = step_occlusion(asked, np.zeros(4, np.float32))
    assert np.flatnonzero(found).tolist() == [24 - 7]


def test_a_forecaster_that_looks_back_far_is_asked_with_what_is_known(values):
    # 200 rows back: the first windows know nothing of it, which is no reason to fail.
    found = permutation_importance(
        Asked.of(Weighted(back=200, needs_rows=240), values, ORIGINS, slice(0, 1)), repeats=5
    )
    assert not found[[0, 3]].any()
    assert found[[1, 2]].all()


def test_nothing_outside_of_the_windows_is_read(values):
    origins = ORIGINS[::6]
    asked = Asked.of(Weighted(), values, origins, slice(0, 1))
    read = np.unique(origins[:, None] + np.arange(-24, 12))
    other = np.full_like(values, np.nan)
    other[read] = values[read]
    before = permutation_importance(asked)
    assert np.array_equal(before, permutation_importance(Asked.of(Weighted(), other, origins, slice(0, 1))))


def test_the_most_important_come_first_and_none_that_is_no_number():
    assert most_important(np.array([1, 5, np.nan, 5, 0], np.float32), 3).tolist() == [1, 3, 0]


def test_what_cannot_be_asked_is_refused(values):
    with pytest.raises(BadInput, match="importance of 1 windows in 400 rows, needs at least 2, of 24 rows"):
        occlusion_importance(Asked.of(Weighted(), values, ORIGINS[:1], slice(0, 1)), np.zeros(4, np.float32))
    with pytest.raises(BadInput, match="importance of 2 windows in 400 rows"):
        permutation_importance(Asked.of(Weighted(), values, np.array([24, 389]), slice(0, 1)))
    spoiled = values.copy()
    spoiled[30] = np.nan
    with pytest.raises(BadInput, match="the truth of a window is not finite, needs whole windows"):
        permutation_importance(Asked.of(Weighted(), spoiled, ORIGINS, slice(0, 1)))
