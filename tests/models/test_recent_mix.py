"""Weights by what came of the last forecasts: by hand, and by nothing but rows before the origin."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from bandwatch.models.forecast_problem import ForecastProblem, TrainingWatch
from bandwatch.models.forecasters.default import Default
from bandwatch.models.forecasters.default_steady import SteadyDefault
from bandwatch.models.forecasters.default_training import train_default
from bandwatch.models.forecasters.recent_mix import BACK_ROWS, recent_mix
from bandwatch.models.step_table import StepTable

PRIOR = np.array([[0.25, 0.75, 0.0]])
MADE, ORIGIN = np.arange(200), np.array([200])


def changes(columns: int = 5) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(len(MADE), 12, columns)).astype(np.float32)


def test_where_nothing_is_known_the_prior_is_the_answer() -> None:
    came = changes()
    said = np.stack([came, 0 * came, -came])
    for made, truth in ((MADE[:0], came[:0]), (MADE, np.full_like(came, np.nan))):
        mix = recent_mix(said[:, : len(made)], truth, made, ORIGIN, PRIOR)
        np.testing.assert_array_equal(mix, np.tile(PRIOR, (1, 12, 1)))
    long_ago = recent_mix(said, came, MADE, ORIGIN + 96, PRIOR)
    np.testing.assert_array_equal(long_ago, np.tile(PRIOR, (1, 12, 1)))


def test_of_one_that_is_right_and_one_that_tells_nothing_by_hand() -> None:
    """Squares g and g / 4, a ridge s of 0.3 g / 4. Of the right one alone (1 + 0.075) w = 1 + 0.075 p."""
    came = np.ones((len(MADE), 12, 2), np.float32)
    half = came * np.array([0.5, -0.5], np.float32)  # as often right as wrong
    mix = recent_mix(np.stack([came, half]), came, MADE, ORIGIN, np.array([[0.5, 0.0]]))
    np.testing.assert_allclose(mix[0, :, 0], (1 + 0.075 * 0.5) / 1.075, atol=1e-4)
    np.testing.assert_allclose(mix[0, :, 1], 0, atol=1e-4)


def test_who_says_nothing_does_not_make_the_prior_weak_by_hand() -> None:
    """Where the prior is to repeat the last value: it loses what the other gains, and both are drawn back.
    Of a square of 0.68 and a product of 0.2: (0.68 + 2 * 0.3 * 0.68) w = 0.2."""
    came = np.ones((len(MADE), 12, 2), np.float32)
    said = np.stack([0 * came, came * np.array([1.0, -0.6], np.float32)])
    for size in (1, 100):  # in what unit, does not matter
        mix = recent_mix(size * said, size * came, MADE, ORIGIN, np.array([[1.0, 0.0]]))
        np.testing.assert_allclose(mix[0, :, 1], 0.2 / (1.6 * 0.68), atol=1e-3)


def test_no_weight_is_negative_and_together_they_are_at_most_one() -> None:
    came = changes()
    mix = recent_mix(np.stack([came / 3, -came, came / 2]), came, MADE, ORIGIN, PRIOR)
    assert (mix >= 0).all()
    np.testing.assert_allclose(mix.sum(axis=2), 1, atol=1e-4)  # three and two would be least squares
    assert (mix[:, :, 1] < 0.01).all()


def test_steps_from_the_origin_on_count_nowhere_and_the_last_before_it_do() -> None:
    came, random = changes(), np.random.default_rng(1)
    said = np.stack([came + random.normal(size=came.shape), 0 * came, -came]).astype(np.float32)
    as_it_is = recent_mix(said, came, MADE, ORIGIN, PRIOR)
    future = MADE[:, np.newaxis] + np.arange(12) >= ORIGIN[0]
    for junk in (np.nan, 1e6):
        other = came.copy()
        other[future] = junk
        np.testing.assert_array_equal(recent_mix(said, other, MADE, ORIGIN, PRIOR), as_it_is)
    newest = came.copy()
    newest[ORIGIN[0] - BACK_ROWS[0], 0] *= -3
    assert np.abs(recent_mix(said, newest, MADE, ORIGIN, PRIOR) - as_it_is).max() > 1e-3


def test_who_was_right_lately_counts_more_than_who_was_long_ago() -> None:
    came = changes()
    turned = np.where(MADE < 156, 1, -1).astype(np.float32)[:, np.newaxis, np.newaxis]
    mix = recent_mix(np.stack([turned * came, -turned * came]), came, MADE, ORIGIN, np.array([[0.5, 0.5]]))
    assert (mix[0, :, 1] > mix[0, :, 0] + 0.05).all()


def test_origins_are_weighed_alike_alone_and_together() -> None:
    came, random = changes(), np.random.default_rng(1)
    said = np.stack([came + random.normal(size=came.shape), 0 * came, -came]).astype(np.float32)
    origins = np.array([3, 50, 120, 200])
    together = recent_mix(said, came, MADE, origins, np.repeat(PRIOR, 4, axis=0))
    for row in range(4):
        alone = recent_mix(said, came, MADE, origins[row : row + 1], PRIOR)[0]
        np.testing.assert_allclose(together[row], alone, rtol=1e-9)
    assert np.abs(together[0] - PRIOR).max() > 1e-3  # three forecasts tell already


@pytest.fixture(scope="module")
def values() -> np.ndarray:
    random = np.random.default_rng(0)
    wander = np.cumsum(random.normal(0, 0.1, (700, 4)), axis=0)
    found = -90 + wander + random.normal(0, 1, (700, 4))
    found[560:] += 9  # the two readings differ from here on
    return found.astype(np.float32)


@pytest.fixture
def default(values: np.ndarray) -> Default:
    ends = 1_800_000_000_000_000_000 + 60_000_000_000 * np.arange(1, 401)
    table = StepTable("node", "band", "dB", 60.0, 868e6 + 1e3 * np.arange(4), values[:400], ends)
    return train_default(ForecastProblem(table, slice(0, 4)), 0, TrainingWatch())


def test_live_a_step_makes_one_forecast_and_says_what_all_of_them_say(
    default: Default, values: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    origins = np.arange(500, 690)
    together = default.forecasts(values, origins)
    asked: list[int] = []
    plain = SteadyDefault.both_readings

    def counted(self: SteadyDefault, values: np.ndarray, origins: np.ndarray) -> object:
        asked.append(len(origins))
        return plain(self, values, origins)

    monkeypatch.setattr(SteadyDefault, "both_readings", counted)
    for row, origin in enumerate(origins.tolist()):
        known = values[max(0, origin - 4000) : origin]
        said = default.forecasts(known, np.array([len(known)]))
        np.testing.assert_allclose(said[0], together[row], atol=2e-4)
    # The first is made of every second row before it, the second of those between; each by itself.
    assert len(asked) == 49 + 48 + len(origins) - 2
    assert set(asked) == {1}
    assert len(default._made) == 98


def test_what_is_remembered_is_to_the_bit_what_is_made_anew(default: Default, values: np.ndarray) -> None:
    """So a restart changes nothing."""
    for origin in range(560, 600):
        said = default.forecasts(values, np.array([origin]))
        fresh = Default(default.steady, default.nlinear)
        np.testing.assert_array_equal(said, fresh.forecasts(values, np.array([origin])))


def test_other_rows_are_not_taken_for_those_that_are_remembered(default: Default, values: np.ndarray) -> None:
    origin = np.array([600])
    default.forecasts(values, origin)
    for row in (599, 590, 450, 420):
        other = values.copy()
        other[row, 2] += 40
        fresh = Default(default.steady, default.nlinear)
        np.testing.assert_array_equal(default.forecasts(other, origin), fresh.forecasts(other, origin))


def test_another_fit_does_not_remember_what_this_one_said(default: Default, values: np.ndarray) -> None:
    origin = np.array([600])
    default.forecasts(values, origin)
    reader = dataclasses.replace(default.steady.reader, level=False)
    never = dataclasses.replace(default.steady, reader=reader)
    other = dataclasses.replace(default, steady=never)
    fresh = Default(never, default.nlinear)
    np.testing.assert_array_equal(other.forecasts(values, origin), fresh.forecasts(values, origin))
    assert np.abs(other.forecasts(values, origin) - default.forecasts(values, origin)).max() > 1e-3


def test_origins_far_apart_and_out_of_order_are_forecast_as_alone(
    default: Default, values: np.ndarray
) -> None:
    origins = np.array([690, 30, 420, 421, 690, 200, 560, 333, 100, 640, 24, 250, 500])
    together = default.forecasts(values, origins)
    for row in range(len(origins)):
        alone = Default(default.steady, default.nlinear).forecasts(values, origins[row : row + 1])
        np.testing.assert_allclose(together[row], alone[0], atol=1e-4)
