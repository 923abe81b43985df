"""Conformal intervals: the quantile they use, when they speak, and how much they cover."""

from __future__ import annotations

import math

import numpy as np
import pytest

from bandwatch.models.conformal import Conformal
from bandwatch.pipeline.state import State
from bandwatch.tests.jig import assert_lasts
from bandwatch.tests.spoiled import assert_refuses, assert_refuses_spoiled


def fed(residuals: np.ndarray, horizon: int = 1, **options: float) -> Conformal:
    conformal = Conformal(**options)  # pyright: ignore[reportArgumentType]
    for residual in residuals:
        conformal.observe(horizon, residual.astype(np.float32))
    return conformal


def radius(conformal: Conformal, frequencies: int) -> np.ndarray:
    low, high = conformal.interval(np.zeros((12, frequencies), np.float32))
    np.testing.assert_array_equal(low, -high)
    return high


@pytest.mark.parametrize("count", [20, 57, 128])
def test_the_radius_is_the_corrected_quantile_of_absolute_residuals(count: int) -> None:
    residuals = np.random.default_rng(0).normal(size=(count, 5))
    rank = math.ceil((count + 1) * 0.9)
    expected = np.sort(np.abs(residuals), axis=0)[rank - 1]
    np.testing.assert_allclose(radius(fed(residuals), 5)[0], expected, rtol=1e-6)


def test_it_says_nothing_before_twenty_residuals_of_that_horizon() -> None:
    assert np.isnan(radius(fed(np.ones((19, 3))), 3)).all()
    ready = radius(fed(np.ones((20, 3)), horizon=4), 3)
    assert (ready[3] == 1).all()
    assert np.isnan(np.delete(ready, 3, axis=0)).all()


def test_it_says_nothing_while_the_rank_lies_beyond_the_residuals() -> None:
    few = fed(np.ones((5, 1)), minimum=5)
    assert np.isnan(radius(few, 1)[0])
    assert radius(fed(np.ones((9, 1)), minimum=5), 1)[0] == 1


def test_old_residuals_leave() -> None:
    residuals = np.concatenate([np.full((50, 2), 100.0), np.ones((32, 2))])
    assert (radius(fed(residuals, recent=32), 2)[0] == 1).all()


def test_the_sign_of_a_residual_does_not_matter() -> None:
    residuals = np.random.default_rng(1).normal(size=(40, 2))
    np.testing.assert_array_equal(radius(fed(residuals), 2), radius(fed(-residuals), 2))


def test_missing_truth_counts_as_nothing() -> None:
    residuals = np.random.default_rng(2).normal(size=(60, 2))
    spoiled = residuals.copy()
    spoiled[::2, 0] = np.nan
    spoiled[:50, 1] = np.nan
    got = radius(fed(spoiled), 2)[0]
    np.testing.assert_allclose(got[0], radius(fed(residuals[1::2, :1]), 1)[0, 0])
    assert np.isnan(got[1])


def test_nine_in_ten_exchangeable_values_lie_inside() -> None:
    random = np.random.default_rng(3)
    low, high = fed(random.normal(size=(128, 400))).interval(np.zeros((12, 400), np.float32))
    values = random.normal(size=(200, 400))
    covered = ((low[0] <= values) & (values <= high[0])).mean()
    assert 0.895 < covered < 0.92


def test_another_number_of_frequencies_starts_anew() -> None:
    conformal = fed(np.ones((30, 3)))
    conformal.observe(1, np.ones(4, np.float32))
    assert np.isnan(radius(conformal, 4)).all()
    assert np.isnan(radius(conformal, 3)).all()


def test_reset_forgets() -> None:
    conformal = fed(np.ones((30, 3)))
    conformal.reset()
    assert np.isnan(radius(conformal, 3)).all()


class Observed:
    """Intervals as a stage: (horizon, residuals) in, the intervals after it out."""

    def __init__(self) -> None:
        self._conformal = Conformal(3, recent=25)

    def push(self, item: tuple[int, np.ndarray]) -> list[np.ndarray]:
        self._conformal.observe(*item)
        return [*self._conformal.interval(np.zeros((3, len(item[1])), np.float32))]

    def state(self) -> State:
        return self._conformal.state()

    def restore(self, state: State) -> None:
        self._conformal.restore(state)


def test_they_go_on_after_a_restart_to_the_bit() -> None:
    random = np.random.default_rng(4)
    residuals = random.normal(size=(100, 2)).astype(np.float32)
    residuals[7, 1] = np.nan
    items = [(1 + number % 3, row) for number, row in enumerate(residuals)]
    items += [(1, random.normal(size=5).astype(np.float32)) for _ in range(30)]
    assert_lasts(Observed, items, moments=[0, 1, 59, 61, 80, 100, 101, 130])


def test_a_state_of_other_intervals_is_refused() -> None:
    assert_refuses(
        lambda: Conformal(6),
        fed(np.ones((30, 3))).state(),
        "state of conformal intervals: residuals is float32 [12, 3, 128], needs float32 [6, any, 128]",
    )
    assert_refuses_spoiled(Conformal, fed(np.ones((30, 3))).state())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"coverage": 1.0}, "coverage is 1.0, must lie between 0 and 1"),
        ({"minimum": 200}, "minimum is 200, must lie between 1 and recent 128"),
    ],
)
def test_it_refuses_limits_that_mean_nothing(options: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Conformal(**options)  # pyright: ignore[reportArgumentType]
