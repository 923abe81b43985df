"""The default forecaster: at least as good as what it is mixed from, saved and read with suspicion."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import yaml
from safetensors.numpy import load_file, save_file

from bandwatch.models.forecast_models import BASELINES, TRAINERS
from bandwatch.models.forecast_problem import ForecastProblem, TrainingWatch
from bandwatch.models.forecasters.default import DESCRIPTION_FILE, WEIGHTS_FILE, Default
from bandwatch.models.forecasters.default_mix import MixTrial
from bandwatch.models.forecasters.default_training import train_default
from bandwatch.models.forecasters.period import find_period
from bandwatch.models.step_table import StepTable, gather_steps
from bandwatch.pipeline.errors import BadInput
from bandwatch.pipeline.replay import open_recording
from bandwatch.tests.recorded import real


def table_of(values: np.ndarray) -> StepTable:
    ends = 1_800_000_000_000_000_000 + 60_000_000_000 * np.arange(1, len(values) + 1)
    return StepTable("node", "band", "dBm/bin", 60.0, 868e6 + 1e3 * np.arange(values.shape[1]), values, ends)


def daily(rows: int, columns: int = 5, period: int = 40) -> np.ndarray:
    random = np.random.default_rng(0)
    shape = np.convolve(random.normal(size=period), np.ones(5) / 5, "same") * 4
    season = np.tile(shape, rows // period + 1)[:rows, np.newaxis] * random.uniform(0.5, 1, columns)
    level = np.cumsum(random.normal(0, 0.1, (rows, columns)), axis=0)
    return (season + level - 90 + random.normal(0, 0.5, (rows, columns))).astype(np.float32)


def rmse(forecaster: Default, values: np.ndarray, origins: np.ndarray) -> tuple[float, float]:
    """Its own and repeat-last's."""
    truth = values[origins[:, np.newaxis] + np.arange(12)]
    last = values[origins - 1, np.newaxis]
    return tuple(
        float(np.sqrt(np.square(s - truth).mean())) for s in (forecaster.forecasts(values, origins), last)
    )


@pytest.fixture(scope="module")
def fitted() -> Default:
    return train_default(ForecastProblem(table_of(daily(700)[:500]), slice(0, 5)), 0, TrainingWatch())


def test_it_finds_the_period_and_uses_it(fitted: Default) -> None:
    assert fitted.steady.reader.period == 40
    assert fitted.needs_rows >= 40 + 24
    values = daily(700)
    own, last = rmse(fitted, values, np.arange(520, 688))
    perfect = 0.5 + 0.25  # the noise, and how far the level wanders
    assert own < 1.4 * perfect
    assert own < 0.6 * last


def test_a_walk_at_random_is_left_to_repeat_last() -> None:
    """Nothing beats it there: more than a few per cent worse would be learned noise."""
    values = np.cumsum(np.random.default_rng(3).normal(size=(900, 6)), axis=0).astype(np.float32)
    fitted = train_default(ForecastProblem(table_of(values[:600]), slice(0, 6)), 0, TrainingWatch())
    own, last = rmse(fitted, values, np.arange(620, 888))
    assert own < 1.04 * last


def test_pure_noise_is_forecast_by_its_mean() -> None:
    values = np.random.default_rng(3).normal(size=(900, 6)).astype(np.float32)
    fitted = train_default(ForecastProblem(table_of(values[:600]), slice(0, 6)), 0, TrainingWatch())
    own, last = rmse(fitted, values, np.arange(620, 888))
    assert own < 1.05
    assert last == pytest.approx(2**0.5, abs=0.1)


def test_training_tells_how_far_it_is() -> None:
    told: list[tuple[int, int]] = []
    watch = TrainingWatch(on_epoch=lambda done, of: told.append((done, of)))
    train_default(ForecastProblem(table_of(daily(300)), slice(0, 2)), 0, watch)
    assert told == [(1, 5), (2, 5), (3, 5), (4, 5), (5, 5)]


def test_a_mix_is_least_squares_drawn_halfway_to_the_prior_by_hand() -> None:
    """Of two that err oppositely, squares are 2 each, products with the truth 1: w = (1 + 2 p) / (2 + 2)."""
    random = np.random.default_rng(0)
    truth = random.normal(size=(400, 3, 12)).astype(np.float32)
    off = random.normal(size=(400, 3, 12)).astype(np.float32)
    for names, hand in ((["one", "two"], (0.25, 0.25)), (["curves", "band"], (1.7 / 4, 1.5 / 4))):
        trial = MixTrial(names)
        trial.add([truth + off, truth - off], truth)
        np.testing.assert_allclose(trial.mix(), np.tile(hand, (12, 1)), atol=0.03)


def test_no_mix_amplifies_and_what_never_moved_is_repeat_last() -> None:
    random = np.random.default_rng(0)
    truth = random.normal(size=(200, 3, 12)).astype(np.float32)
    off = random.normal(size=(200, 3, 12)).astype(np.float32)
    small = MixTrial(["curves", "band"])
    small.add([truth / 2, truth / 3], truth)
    mix = small.mix()
    assert (mix >= 0).all()
    np.testing.assert_allclose(mix.sum(axis=1), 1, atol=1e-4)  # three would be least squares
    still = MixTrial(["curves", "band"])
    still.add([off, 2 * off], 0.01 * truth)
    assert (still.mix() == 0).all()


def test_a_baseline_that_did_better_gets_all_the_weight() -> None:
    random = np.random.default_rng(0)
    truth = random.normal(size=(200, 3, 12)).astype(np.float32)
    off = random.normal(size=(200, 3, 12)).astype(np.float32)
    trial = MixTrial(["mean-24", "own"])
    trial.add([truth, off], truth)
    np.testing.assert_array_equal(trial.mix(), np.tile([1.0, 0.0], (12, 1)))


def test_what_was_saved_forecasts_the_same(fitted: Default, tmp_path: Path) -> None:
    fitted.save(tmp_path / "band")
    again = Default.load(tmp_path / "band")
    values, origins = daily(700), np.arange(500, 600)
    np.testing.assert_array_equal(again.forecasts(values, origins), fitted.forecasts(values, origins))
    assert (again.steady.unit, again.steady.step_s, again.needs_rows) == (
        "dBm/bin",
        60.0,
        fitted.needs_rows,
    )
    assert again.steady.figures == fitted.steady.figures
    np.testing.assert_array_equal(again.steady.frequencies_hz, fitted.steady.frequencies_hz)


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        ("own.weights", lambda a: a[:, 1:], r"array 'own.weights' has shape \[5, .*\], needs \[5, "),
        ("own.weights", lambda a: a * np.nan, r"array 'own.weights' holds NaN or infinity"),
        ("band.basis", lambda _: None, r"lacks array 'band.basis'"),
        ("band.basis", lambda a: np.concatenate([a] * 9, axis=1), r"array 'band.basis' has shape"),
        ("band.scale", lambda a: 0 * a, r"array 'band.scale' holds 0, must be above 0"),
        ("curves.width", lambda a: -a, r"array 'curves.width' holds -.*, must be above 0"),
        (
            "curves.step_db",
            lambda a: a - 99,
            r"array 'curves.step_db' holds a negative value, must be at least 0",
        ),
        (
            "frequencies_hz",
            lambda a: a[:3],
            r"array 'frequencies_hz' holds float64 \[3\], needs 5 to \d+ of float64",
        ),
        ("frequencies_hz", lambda a: a * np.nan, r"array 'frequencies_hz' holds NaN or infinity"),
        ("frequencies_hz", lambda _: None, r"lacks array 'frequencies_hz'"),
        ("nlinear.weights", lambda _: None, r"lacks array 'nlinear.weights'"),
        (
            "nlinear.weights",
            lambda a: a[1:],
            r"array 'nlinear.weights' holds float64 \[23, 12\], needs float64 \[24, 12\]",
        ),
        ("nlinear.weights", lambda a: a * np.inf, r"array 'nlinear.weights' holds NaN or infinity"),
        ("more", lambda _: np.zeros(3, np.float32), r"holds an unknown array 'more'"),
    ],
)
def test_arrays_that_do_not_fit_are_refused_in_one_line(
    fitted, tmp_path: Path, name: str, change, said: str
) -> None:
    fitted.save(tmp_path)
    arrays = load_file(tmp_path / WEIGHTS_FILE)
    changed = change(arrays.pop(name, np.zeros(1)))
    save_file(
        arrays if changed is None else arrays | {name: np.ascontiguousarray(changed)}, tmp_path / WEIGHTS_FILE
    )
    with pytest.raises(BadInput, match=said) as refusal:
        Default.load(tmp_path)
    assert str(tmp_path / WEIGHTS_FILE) in str(refusal.value)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"kind": "cnn-lstm"}, r"kind is 'cnn-lstm', must be 'default'"),
        ({"version": 2}, r"version is 2, must be 3"),
        ({"level": 1}, r"level is 1, must be true or false"),
        ({"unit": "furlong"}, r"unit is 'furlong', must be one of "),
        ({"step_s": -1}, r"step_s is -1, must be a finite number above 0"),
        ({"period": 12}, r"period is 12, must be null or 13 to 4096"),
        ({"period": 41.5}, r"period is 41.5, must be null or 13 to 4096"),
        ({"period": None}, r"array 'own.weights' has shape"),
        ({"outputs": [3, 3]}, r"outputs is \[3, 3\], must rise within 0 to "),
        ({"outputs": [0, 10**9]}, r"outputs is .*, must rise within 0 to "),
        ({"outputs": "all"}, r"outputs is 'all', must be two whole numbers"),
        ({"training": 3}, r"training is int, must be a map"),
    ],
)
def test_a_description_that_does_not_fit_is_refused_in_one_line(
    fitted, tmp_path: Path, changes, said: str
) -> None:
    fitted.save(tmp_path)
    path = tmp_path / DESCRIPTION_FILE
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | changes))
    with pytest.raises(BadInput, match=said) as refusal:
        Default.load(tmp_path)
    assert "\n" not in str(refusal.value)


def test_a_cut_file_and_none_are_refused(fitted: Default, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no such file"):
        Default.load(tmp_path / "nothing")
    fitted.save(tmp_path)
    whole = (tmp_path / WEIGHTS_FILE).read_bytes()
    (tmp_path / WEIGHTS_FILE).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(BadInput, match="not a whole safetensors file"):
        Default.load(tmp_path)


@pytest.mark.parametrize("period", [20, 48, 96, 151])
def test_the_period_is_found_under_noise_and_a_walk(period: int) -> None:
    assert find_period(daily(12 * period, 8, period), 60.0) == period


def test_where_there_is_no_period_none_is_found() -> None:
    random = np.random.default_rng(0)
    assert find_period(np.cumsum(random.normal(size=(900, 8)), axis=0).astype(np.float32), 60.0) is None
    assert find_period(np.full((900, 8), -90, np.float32), 60.0) is None
    assert find_period(daily(60, 8, 30), 60.0) is None  # seen but twice


def test_about_a_day_is_a_day() -> None:
    values = daily(1000, 8, 94)
    assert find_period(values, 900.0) == 96
    assert find_period(values, 60.0) == 94


def test_on_rows_of_madrid_it_is_clearly_below_every_baseline() -> None:
    """Rows and columns that its figures are not measured on."""
    (table,) = gather_steps([open_recording(real("electrosense-madrid/psd_db.csv"))], step_s=900)
    values, outputs, origins = table.values, slice(50, 65), np.arange(1000, 1389)
    past = dataclasses.replace(table, values=values[:1000], end_ns=table.end_ns[:1000])
    truth = values[origins[:, np.newaxis] + np.arange(12)][:, :, outputs]
    rmses = {}
    for name in (*BASELINES, "default"):
        if name != "ridge":  # five times the time of all others
            fitted = TRAINERS[name](ForecastProblem(past, outputs), 0, TrainingWatch())
            rmses[name] = float(np.sqrt(np.square(fitted.forecasts(values, origins) - truth).mean()))
    assert rmses.pop("default") < 0.95 * min(rmses.values())
