"""The Brier score of idle channels in an evaluation, against worked answers and theory."""

import math

import numpy as np
import pytest

from bandwatch.models.forecast_evaluation import evaluate_forecasts
from bandwatch.models.forecast_intervals import RunningIntervals
from bandwatch.models.forecast_models import TRAINERS
from bandwatch.models.forecast_question import ForecastQuestion
from bandwatch.models.forecast_rows import ForecastRows
from bandwatch.models.idle_figures import IdleFigures
from bandwatch.pipeline.replay import open_recording
from bandwatch.tests.recorded import write_recording


def question(folder, values, columns, train, test):
    rows = ForecastRows.read(open_recording(write_recording(folder / "band.npy", values)), None)
    return ForecastQuestion(rows, train, test, columns)


def test_a_brier_score_worked_by_hand():
    said = np.array([[[0.9, 0.2], [0.5, np.nan]]], np.float32)  # one origin, two steps, two columns
    came = np.array([[[True, True], [False, True]]])
    figures = IdleFigures.of(said, came)
    assert figures.brier == pytest.approx((0.01 + 0.64 + 0.25) / 3)
    assert figures.by_horizon == pytest.approx([(0.01 + 0.64) / 2, 0.25])
    pooled = IdleFigures.pooled([figures, IdleFigures.of(1 - said[:, :, :1], came[:, :, :1])])
    assert pooled.brier == pytest.approx((0.01 + 0.64 + 0.25 + 0.81 + 0.25) / 5)
    assert pooled.by_horizon == pytest.approx([(0.01 + 0.64 + 0.81) / 3, 0.25])


def test_probabilities_of_noise_are_scored_as_theory_says():
    random = np.random.default_rng(0)
    series = random.normal(size=(2012, 5)).astype(np.float32)
    truth = np.stack([series[row : row + 12] for row in range(2000)])
    levels = np.where(np.arange(2000) % 2, 0.5, -1.0)  # a level of each origin's own
    run = RunningIntervals.of(np.zeros_like(truth), truth, np.arange(2000), levels)
    counted = np.where(run.taught[:, None, None], run.idle, np.nan)
    figures = IdleFigures.of(counted, truth < levels[:, None, None])
    below = [0.5 * (1 + math.erf(level / math.sqrt(2))) for level in (0.5, -1.0)]
    assert figures.brier == pytest.approx(np.mean([p * (1 - p) for p in below]), abs=0.004)
    assert figures.values.tolist() == [(2000 - 96) * 5] * 12


def test_the_naive_ways_of_a_band_worked_by_hand(tmp_path):
    """Half of the columns are the floor, -100 dB; column 4 sends every other row, 5 always, in the end."""
    values = np.full((400, 6), -100, np.float32)
    values[1::2, 4] = -80
    values[:30, 5] = -90  # ten dB above: busy by a margin of 6, idle by 12
    values[120:, 5] = -90
    asked = question(tmp_path, values, [slice(4, 5), slice(5, 6)], slice(0, 120), slice(120, 400))
    models = {"repeat-last": TRAINERS["repeat-last"]}
    record = evaluate_forecasts(asked, models, 1).record()
    on_off, busy = (each["idle"] for each in record["column_sets"])
    assert on_off["share"] == pytest.approx(0.5, abs=0.01)
    assert on_off["climatology"]["brier"] == pytest.approx(0.25)
    # The last row is as the second step, the fourth, ...: never as the first.
    assert on_off["persistence"]["brier_by_horizon"] == [1, 0] * 6
    assert busy["share"] == 0
    assert busy["climatology"]["brier"] == pytest.approx(0.75**2)  # idle in 90 of 120 training rows
    assert busy["persistence"]["brier"] == 0
    assert record["idle"]["climatology"]["brier"] == pytest.approx((0.25 + 0.75**2) / 2)
    assert record["models"]["repeat-last"]["brier"] == pytest.approx(
        np.mean([each["models"]["repeat-last"]["brier"] for each in record["column_sets"]])
    )
    wide = evaluate_forecasts(asked, models, 1, idle_margin_db=12).record()
    assert wide["column_sets"][1]["idle"]["share"] == 1
    assert wide["settings"]["idle_margin_db"] == 12


def test_of_several_sets_coverage_is_that_of_all_values(tmp_path):
    values = np.random.default_rng(3).normal(-90, 1, size=(400, 6)).astype(np.float32)
    values[:, 4:] *= np.linspace(0.8, 1.2, 400, dtype=np.float32)[:, None]
    asked = question(tmp_path, values, [slice(4, 6), slice(0, 3)], slice(0, 100), slice(100, 400))
    record = evaluate_forecasts(asked, {"repeat-last": TRAINERS["repeat-last"]}, 1).record()
    sets = [each["models"]["repeat-last"] for each in record["column_sets"]]
    for figure in ("coverage", "interval_score", "interval_width", "brier"):
        parts = [each[figure] for each in sets]
        assert record["models"]["repeat-last"][figure] == pytest.approx(np.average(parts, weights=[2, 3]))
        assert parts[0] != parts[1]
