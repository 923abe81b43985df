"""After a level shift forecasts are those of a band that was always there; a burst is no shift."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from bandwatch.models.forecast_models import TRAINERS
from bandwatch.models.forecast_past import past_rows
from bandwatch.models.forecast_problem import FittedForecaster, ForecastProblem, TrainingWatch
from bandwatch.models.forecasters.level_shifts import are_bursts, jump_rows, level_past
from bandwatch.models.step_table import StepTable, gather_steps
from bandwatch.pipeline.replay import open_recording
from bandwatch.tests.recorded import real

TRAIN, AT, COLUMNS, PERIOD = 400, 500, 8, 30
AFTER = np.arange(AT + 2, AT + 25)


def rows(shift_db: float = 0.0, columns: slice = slice(None), first: int = AT, end: int = 640) -> np.ndarray:
    """A season of 0.4 dB, a level that wanders, noise of 0.5 dB; from `first` on so much higher."""
    random = np.random.default_rng(2)
    season = 0.4 * np.sin(2 * np.pi * (np.arange(640)[:, np.newaxis] / PERIOD + random.random(COLUMNS)))
    level = np.cumsum(random.normal(0, 0.05, (640, COLUMNS)), axis=0)
    values = -90 + season + level + random.normal(0, 0.5, (640, COLUMNS))
    values[first:end, columns] += shift_db
    return values.astype(np.float32)


@cache
def fitted(name: str) -> FittedForecaster:
    values = rows()[:TRAIN]
    ends = 1_800_000_000_000_000_000 + 60_000_000_000 * np.arange(1, TRAIN + 1)
    table = StepTable("node", "band", "dB", 60.0, 868e6 + 1e3 * np.arange(COLUMNS), values, ends)
    return TRAINERS[name](ForecastProblem(table, slice(0, COLUMNS)), 0, TrainingWatch())


def rmse_db(name: str, values: np.ndarray, origins: np.ndarray) -> float:
    truth = values[origins[:, np.newaxis] + np.arange(12)]
    return float(np.sqrt(np.square(fitted(name).forecasts(values, origins) - truth).mean()))


@pytest.mark.parametrize("name", ["ridge", "default"])
@pytest.mark.parametrize("columns", [slice(None), slice(0, COLUMNS, 2)], ids=["all", "every second"])
@pytest.mark.parametrize("shift_db", [6.0, -20.0])
def test_forecasts_are_as_good_as_those_of_a_band_that_was_always_at_the_new_level(
    name: str, columns: slice, shift_db: float
) -> None:
    """The ridge's from the second row on; the default doubts a shift for some rows, and is sure at twelve."""
    always = rows(shift_db, columns, first=0)
    parts = [AFTER[:6], AFTER[6:10], AFTER[10:], AFTER + 24]
    limits = (1.4, 1.25, 1.25, 1.05) if name == "ridge" else (5, 1.5, 1.2, 1.1)
    for origins, most in zip(parts, limits, strict=True):
        assert rmse_db(name, rows(shift_db, columns), origins) < most * rmse_db(name, always, origins)
    said = fitted(name).forecasts(rows(shift_db, columns), AFTER[-12:])
    assert np.abs(said - fitted(name).forecasts(always, AFTER[-12:])).mean() < 0.3  # the noise is 0.5
    missing = rows(shift_db, columns)
    missing[AT - 40 : AT - 30] = np.nan
    assert rmse_db(name, missing, AFTER[10:]) < 1.25 * rmse_db(name, always, AFTER[10:])


def test_two_shifts_one_after_the_other() -> None:
    values = rows(6, first=AT - 60)
    values[AT:] -= 20
    late = AFTER[10:]
    assert rmse_db("default", values, late) < 1.25 * rmse_db("default", rows(-14, first=0), late)


@pytest.mark.parametrize("lasts", [3, 6])
def test_a_drop_out_of_some_rows_is_not_believed_to_stay(lasts: int) -> None:
    values, origins = rows(-15, end=AT + lasts), np.arange(AT - 12, AT + 40)
    default = rmse_db("default", values, origins)
    assert default < 1.25 * rmse_db("mean-24", values, origins)  # which no new row moves far
    assert default < 0.95 * rmse_db("ridge", values, origins)  # which believes each second row


@pytest.mark.parametrize("name", ["ridge", "default"])
@pytest.mark.parametrize("at", [AT, AT + 1, AT + 2, AT + 9, AT + 60])
def test_no_row_from_the_origin_on_and_none_too_old_counts(name: str, at: int) -> None:
    forecaster, origin = fitted(name), np.array([at])
    said = forecaster.forecasts(rows(6), origin)
    for junk in (np.nan, np.inf, 1e30, 0.0):
        other = rows(6)
        other[at:] = junk
        other[: at - forecaster.needs_rows] = junk
        np.testing.assert_array_equal(forecaster.forecasts(other, origin), said)
    if at == AT:  # the shift is yet to come
        np.testing.assert_array_equal(forecaster.forecasts(rows(), origin), said)


@pytest.mark.parametrize("name", ["ridge", "default"])
def test_origins_are_forecast_alike_alone_and_together(name: str) -> None:
    forecaster, origins = fitted(name), np.arange(AT - 30, AT + 90)
    values = rows(6)
    together = forecaster.forecasts(values, origins)
    for row, origin in enumerate(origins.tolist()):
        kept = values[origin - forecaster.needs_rows : origin]
        alone = forecaster.forecasts(kept, np.array([len(kept)]))[0]
        np.testing.assert_allclose(together[row], alone, atol=1e-4)


def test_rows_before_a_shift_are_level_by_hand() -> None:
    values = np.tile(np.arange(4, dtype=np.float32), (80, 1))
    values[60:, :2] += 6  # half of the columns
    values[70] = np.nan
    past = level_past(values, np.array([60, 61, 80]), 24)
    np.testing.assert_array_equal(past[0], values[36:60])
    np.testing.assert_array_equal(past[1], np.tile(values[60], (24, 1)))
    expected = np.tile(values[60], (24, 1))
    expected[14] = np.nan
    np.testing.assert_array_equal(past[2], expected)


def test_few_columns_or_a_level_that_was_lately_seen_are_no_shift() -> None:
    np.testing.assert_array_equal(jump_rows(rows(20)), [AT])
    np.testing.assert_array_equal(jump_rows(rows(20, slice(0, 2))), [])
    values = rows(20)
    values[AT - 30 : AT - 25] += 20
    np.testing.assert_array_equal(jump_rows(values), [AT - 30])


@pytest.mark.parametrize("lasts", [1, 3, 5, 12, 30])
def test_a_burst_that_is_over_leaves_no_trace(lasts: int) -> None:
    values = rows(20, end=AT + lasts)
    origins = np.arange(AT + lasts + 8, AT + 100)
    np.testing.assert_array_equal(level_past(values, origins, 192), past_rows(values, origins, 192))


def test_traffic_that_comes_and_goes_is_seldom_taken_for_a_shift() -> None:
    (table,) = gather_steps([open_recording(real("nist-lte-uplink/power_dbm_int8.npy"))], step_s=1)
    values = table.values[:2929]
    origins = np.arange(200, 2929, 7)
    changed = (level_past(values, origins, 24) != past_rows(values, origins, 24)).any(axis=(1, 2))
    assert changed.mean() < 0.1
    assert are_bursts(values, jump_rows(values))  # and in a fit of this band no row is changed


def test_the_real_shift_of_madrid_is_found_and_nothing_else_before_row_1000() -> None:
    (table,) = gather_steps([open_recording(real("electrosense-madrid/psd_db.csv"))], step_s=900)
    origins = np.arange(60, 1000)
    changed = (level_past(table.values, origins, 24) != past_rows(table.values, origins, 24)).any(axis=(1, 2))
    found = origins[changed]
    assert set(found.tolist()) <= set(range(519, 519 + 24))
    assert len(found) > 16
    assert not are_bursts(table.values, jump_rows(table.values))


@pytest.mark.parametrize("rows_known", [10, 25, 47, 48, 49, 60, 300])
def test_jumps_are_found_as_a_plain_loop_finds_them(rows_known: int) -> None:
    values = rows(6, first=150)[:rows_known]
    values[100:101] = values[200:230] = np.nan
    values[260:] -= 9
    known = np.isfinite(values).all(axis=1)
    jumps = []
    for row in np.flatnonzero(known):
        old = values[max(0, row - 48) : row][known[max(0, row - 48) : row]]
        if len(old) >= 24:
            high, low = old.max(axis=0), old.min(axis=0)
            more = 0.3 * (high - low)
            if ((values[row] > high + more) | (values[row] < low - more)).mean() >= 0.35:
                jumps.append(row)
    assert jumps or rows_known < 150
    np.testing.assert_array_equal(jump_rows(values), jumps)
