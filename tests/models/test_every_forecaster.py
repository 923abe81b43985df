"""What holds for every forecaster of the register: no look ahead, no more rows than said, one answer."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from bandwatch.models.forecast_models import TRAINERS
from bandwatch.models.forecast_problem import FittedForecaster, ForecastProblem, TrainingWatch
from bandwatch.models.step_table import StepTable
from bandwatch.pipeline.errors import BadInput

QUICK = ("repeat-last", "mean-24", "seasonal", "nlinear", "ridge", "default")
PERIOD = 30
TRAIN = 400


def daily(rows: int = 700, columns: int = 6, seed: int = 0) -> np.ndarray:
    """A level that wanders, a period of 30 rows and noise, float32 [rows, columns] in dB."""
    random = np.random.default_rng(seed)
    wander = np.cumsum(random.normal(0, 0.1, (rows, columns)), axis=0)
    season = 3 * np.sin(2 * np.pi * (np.arange(rows)[:, np.newaxis] / PERIOD + random.random(columns)))
    return (-90 + wander + season + random.normal(0, 0.5, (rows, columns))).astype(np.float32)


def table_of(values: np.ndarray, breaks: tuple[int, ...] = ()) -> StepTable:
    ends = 1_800_000_000_000_000_000 + 60_000_000_000 * np.arange(1, len(values) + 1)
    frequencies_hz = 868e6 + 1e3 * np.arange(values.shape[1])
    return StepTable("node", "band", "dB", 60.0, frequencies_hz, values, ends, breaks)


def trained(name: str, values: np.ndarray, breaks: tuple[int, ...] = ()) -> FittedForecaster:
    return TRAINERS[name](ForecastProblem(table_of(values, breaks), slice(1, 4)), 0, TrainingWatch())


@pytest.mark.parametrize("name", QUICK)
def test_a_forecast_reads_only_the_rows_it_needs_before_its_origin(name: str) -> None:
    forecaster = trained(name, daily()[:TRAIN])
    assert forecaster.name == name
    origin = 450
    said = forecaster.forecasts(daily(), np.array([origin]))
    assert said.shape == (1, 12, 3)
    assert said.dtype == np.float32
    for junk in (np.nan, np.inf, 1e30):
        other = daily()
        other[origin:] = junk
        other[: origin - forecaster.needs_rows] = junk
        np.testing.assert_array_equal(forecaster.forecasts(other, np.array([origin])), said)
    # And it does read what is before: else the test above would hold for a constant.
    other = daily()
    other[origin - 1] += 5
    assert np.abs(forecaster.forecasts(other, np.array([origin])) - said).max() > 0.1 or name == "seasonal"


@pytest.mark.parametrize("name", QUICK)
def test_what_follows_the_training_rows_changes_no_training(name: str) -> None:
    spoiled = daily()
    spoiled[TRAIN:] = 1e6
    one, other = trained(name, daily()[:TRAIN]), trained(name, spoiled[:TRAIN])
    origins = np.arange(420, 480)
    np.testing.assert_array_equal(one.forecasts(daily(), origins), other.forecasts(daily(), origins))


@pytest.mark.parametrize("name", QUICK)
def test_a_row_may_be_missing_where_it_is_older_than_24_and_a_level_may_be_anywhere(name: str) -> None:
    forecaster = trained(name, daily()[:TRAIN])
    values = daily()
    values[380:396] = np.nan
    said = forecaster.forecasts(values, np.array([430]))
    assert np.isfinite(said).all()
    assert np.abs(said - daily()[430:442, 1:4]).mean() < 4
    few = forecaster.forecasts(values[430 - 24 :], np.array([24]))
    assert np.isfinite(few).all()
    assert np.abs(few - daily()[430:442, 1:4]).mean() < 4


@pytest.mark.parametrize("name", QUICK)
def test_nothing_is_learned_across_a_break(name: str) -> None:
    """A jump at a break teaches nothing: as if the rows behind it were those of another band."""
    values = daily()[:TRAIN]
    values[200:] += 100
    forecaster = trained(name, values, breaks=(200,))
    said = forecaster.forecasts(daily(), np.array([600]))
    assert np.abs(said - daily()[600:612, 1:4]).max() < 15


@pytest.mark.parametrize("name", ["seasonal", "nlinear", "ridge", "default"])
def test_too_little_to_learn_from_is_refused_in_one_line(name: str) -> None:
    said = r"node/band: 400 steps give 0 windows of 36 unbroken, finite steps, needs at least 32"
    with pytest.raises(BadInput, match=said) as refusal:
        trained(name, daily()[:TRAIN], breaks=tuple(range(10, 400, 10)))
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("name", QUICK)
@pytest.mark.parametrize("spoil", ["still", "one still", "short", "loud", "nan"])
def test_odd_rows_give_finite_forecasts_near_what_was(name: str, spoil: str) -> None:
    values = daily()
    match spoil:
        case "still":
            values[:] = -90
        case "one still":
            values[:TRAIN, 2] = -90
        case "short":
            values = values[-67 - (len(values) - TRAIN) :]
        case "loud":
            values[100] += 200
        case _:
            values[50:90] = np.nan
    train = 67 if spoil == "short" else TRAIN
    said = trained(name, values[:train]).forecasts(values, np.array([train + 25]))
    assert np.isfinite(said).all()
    assert np.abs(said - values[train + 24, 1:4]).max() < 15


def test_baselines_say_what_their_names_say() -> None:
    values = daily()
    origins = np.array([450, 500])
    for row, origin in enumerate(origins):
        np.testing.assert_array_equal(
            trained("repeat-last", values[:TRAIN]).forecasts(values, origins)[row],
            np.tile(values[origin - 1, 1:4], (12, 1)),
        )
        np.testing.assert_allclose(
            trained("mean-24", values[:TRAIN]).forecasts(values, origins)[row, 7],
            values[origin - 24 : origin, 1:4].mean(axis=0),
            rtol=1e-5,
        )
        np.testing.assert_array_equal(
            trained("seasonal", values[:TRAIN]).forecasts(values, origins)[row],
            values[origin - PERIOD : origin - PERIOD + 12, 1:4],
        )


def test_without_a_period_seasonal_is_repeat_last() -> None:
    values = np.cumsum(np.random.default_rng(1).normal(size=(500, 3)), axis=0).astype(np.float32)
    problem = ForecastProblem(table_of(values), slice(0, 3))
    seasonal = TRAINERS["seasonal"](problem, 0, TrainingWatch())
    said = seasonal.forecasts(values, np.array([300]))[0]
    np.testing.assert_array_equal(said, np.tile(values[299], (12, 1)))


def test_ridge_and_nlinear_find_the_map_that_made_the_rows() -> None:
    """Rows that follow their own last two, nearly without noise: a linear map forecasts them."""
    random = np.random.default_rng(0)
    values = np.zeros((900, 4))
    values[:2] = random.normal(size=(2, 4))
    for row in range(2, len(values)):
        values[row] = 1.9 * values[row - 1] - 0.98 * values[row - 2] + random.normal(0, 0.01, 4)
    values = values.astype(np.float32)
    for name in ("nlinear", "ridge"):
        problem = ForecastProblem(table_of(values[:700]), slice(0, 4))
        said = TRAINERS[name](problem, 0, TrainingWatch()).forecasts(values, np.arange(720, 880))
        truth = values[np.arange(720, 880)[:, np.newaxis] + np.arange(12)]
        last = values[np.arange(719, 879), np.newaxis]
        assert np.square(said - truth).mean() < 0.5 * np.square(last - truth).mean()


def test_origins_are_forecast_alike_alone_and_together() -> None:
    forecaster = trained("default", daily()[:TRAIN])
    origins = np.arange(410, 560)
    together = forecaster.forecasts(daily(), origins)
    alone = np.concatenate([forecaster.forecasts(daily(), origins[k : k + 1]) for k in range(len(origins))])
    np.testing.assert_allclose(together, alone, atol=1e-4)


def test_a_problem_is_not_changed_by_training() -> None:
    values = daily()[:TRAIN]
    for name in QUICK:
        table = table_of(values.copy())
        before = dataclasses.replace(table, values=values.copy())
        TRAINERS[name](ForecastProblem(table, slice(1, 4)), 0, TrainingWatch())
        np.testing.assert_array_equal(table.values, before.values)
