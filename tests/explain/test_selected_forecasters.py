"""GC-CNN-LSTM and SHAP-CNN-LSTM: what matters is kept, nothing else has a say, a kill changes nothing."""

import dataclasses

import numpy as np
import pytest

from bandwatch.explain.forecast_checks import PlantedLeader
from bandwatch.explain.forecast_selection import Importance, Selection
from bandwatch.explain.forecast_trainers import EVERY_TRAINER
from bandwatch.explain.selected_forecasters import SelectionBudget, fit_selected
from bandwatch.models.forecast_models import TRAINERS
from bandwatch.models.forecast_problem import ForecastProblem, TrainingWatch
from bandwatch.models.forecast_split import ForecastSplit
from bandwatch.models.step_table import StepTable
from bandwatch.pipeline.errors import BadInput

WAYS = {"gc-cnn-lstm": "grad-cam", "shap-cnn-lstm": "shap"}
OUTPUTS = slice(0, 4)
TINY = SelectionBudget((2, 3), (0, 6), trial_epochs=1, epochs=2, iterations=6, device="cpu")
NO_CHOICE = dataclasses.replace(TINY, retained=(3,), dropped=(6,))


def table_of(values):
    ends = 1_800_000_000_000_000_000 + 60_000_000_000 * np.arange(1, len(values) + 1)
    return StepTable("node", "band", "dB", 60.0, 868e6 + 1e3 * np.arange(values.shape[1]), values, ends)


def noise(rows=420, columns=5, seed=0):
    return np.random.default_rng(seed).normal(-90, 2, (rows, columns)).astype(np.float32)


def fitted(name, values, budget=TINY, watch=None):
    problem = ForecastProblem(table_of(values), OUTPUTS)
    return fit_selected(name, WAYS[name], problem, 0, watch or TrainingWatch(), budget)


def test_both_are_among_the_forecasters_that_are_evaluated():
    assert list(EVERY_TRAINER) == [*TRAINERS, *WAYS]


@pytest.mark.parametrize("name", WAYS)
def test_the_leader_that_all_others_follow_is_retained(name):
    """Of twelve frequencies two are: one is the leader, outside of the columns that are forecast, too."""
    planted = PlantedLeader.make(1, rows=500, frequencies=12)
    outputs = slice(planted.leader + 1, 12) if planted.leader < 6 else slice(0, planted.leader)
    budget = SelectionBudget((2,), (0,), epochs=4, iterations=40, device="cpu")
    problem = ForecastProblem(table_of(planted.values), outputs)
    forecaster = fit_selected(name, WAYS[name], problem, 0, TrainingWatch(), budget)
    assert forecaster.name == name
    assert len(forecaster.selection.columns) == 2
    assert planted.leader in forecaster.selection.columns


@pytest.mark.parametrize("name", WAYS)
def test_rows_from_the_end_of_training_on_and_columns_not_retained_have_no_say(name):
    values = noise()
    spoiled = values.copy()
    spoiled[300:] = 1e6
    budget = TINY if name == "gc-cnn-lstm" else NO_CHOICE
    one, other = fitted(name, values[:300], budget), fitted(name, spoiled[:300], budget)
    assert one.tried == other.tried
    origins = np.arange(330, 400)
    said = one.forecasts(values, origins)
    np.testing.assert_array_equal(said, other.forecasts(values, origins))
    unread = np.setdiff1d(np.arange(5), one.selection.columns)
    changed = values.copy()
    changed[:, unread] += 7
    np.testing.assert_array_equal(one.forecasts(changed, origins), said)
    changed = values.copy()
    changed[:, one.selection.columns] += 7
    assert np.abs(one.forecasts(changed, origins) - said).max() > 1e-3


def test_dropped_rows_teach_nothing():
    values = noise()[:300]
    first = fitted("gc-cnn-lstm", values, NO_CHOICE)
    assert 3 <= len(first.selection.dropped) <= 6
    spoiled = table_of(values.copy())
    for start, stop in first.selection.dropped:
        spoiled.values[start:stop] = 1e6
    whole, cut = (first.selection.kept(table) for table in (table_of(values), spoiled))
    splits = [ForecastSplit.of(table, OUTPUTS, validation_share=0) for table in (whole, cut)]
    np.testing.assert_array_equal(splits[0].mean_db, splits[1].mean_db)
    np.testing.assert_array_equal(splits[0].training, splits[1].training)
    for start, stop in first.selection.dropped:
        assert not ((splits[0].training < stop) & (splits[0].training + 36 > start)).any()


def test_importance_is_the_mean_of_the_map_and_the_least_goes():
    """A map made by hand: 480 rows, 48 parts of 10; column 2 leads, parts 5, 6 and 40 say least."""
    whole = np.ones((480, 4), np.float32) * np.array([1, 2, 4, 3], np.float32)
    for part, factor in ((5, 0.1), (6, 0.2), (40, 0.3), (20, 0.4)):
        whole[10 * part : 10 * part + 10] *= factor
    whole[470:] = np.nan  # no window covers it: it is not what says least
    importance = Importance.of(whole, 48)
    split = ForecastSplit.of(table_of(noise(480, 4)), validation_share=0)
    selection = importance.select(split, 2, 3)
    assert selection.columns.tolist() == [2, 3]
    assert selection.dropped == ((50, 60), (60, 70), (400, 410))
    # 445 windows: beyond half of them no more parts go, however many are asked for.
    many = importance.select(split, 2, 40)
    left = ForecastSplit.of(many.kept(table_of(noise(480, 4))), validation_share=0)
    assert len(split.training) / 2 <= len(left.training) < len(split.training)


class Killed(Exception):
    pass


@pytest.mark.parametrize("kill_after", [1, 4, 9])
def test_a_kill_goes_on_to_the_same_forecaster(tmp_path, kill_after):
    values = noise()
    whole = fitted("gc-cnn-lstm", values[:300])
    told = []

    def tell(*each):
        told.append(each)

    def die(done, of):
        told.append((done, of))
        if len(told) == kill_after:
            raise Killed

    checkpoint = tmp_path / "work" / "gc.safetensors"
    with pytest.raises(Killed):
        fitted("gc-cnn-lstm", values[:300], watch=TrainingWatch(checkpoint, die))
    assert checkpoint.is_file()
    again = fitted("gc-cnn-lstm", values[:300], watch=TrainingWatch(checkpoint, tell))
    assert told[-1] == (12, 12)  # two folds of four trainings for one epoch, and two of two
    assert len(told) <= 12 + 1  # nothing is done twice; the epoch gone on from is told again
    assert again.tried == whole.tried
    origins = np.arange(330, 400)
    np.testing.assert_array_equal(again.forecasts(values, origins), whole.forecasts(values, origins))
    assert [path.name for path in checkpoint.parent.iterdir()] == [checkpoint.name]
    with pytest.raises(BadInput, match="of a training with other settings"):
        fitted("gc-cnn-lstm", values[:299], watch=TrainingWatch(checkpoint))


def test_numbers_end_with_the_columns_there_are():
    assert SelectionBudget().retainable(151) == (15, 30, 45, 60, 75, 90, 105, 120)
    assert SelectionBudget().retainable(56) == (15, 30, 45, 56)
    assert SelectionBudget().retainable(10) == (10,)
    with pytest.raises(BadInput, match=r"selection of \[0\] frequencies"):
        SelectionBudget(retained=(0,))


def test_the_table_that_is_kept_is_another_one():
    table = table_of(noise(100))
    kept = Selection(np.array([0]), ((10, 20),)).kept(table)
    assert np.isfinite(table.values).all()
    assert np.flatnonzero(np.isnan(kept.values).all(axis=1)).tolist() == list(range(10, 20))
