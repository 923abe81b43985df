"""The default's look at a recording: its map covers what a window covers, and says so in words."""

import numpy as np
import pytest

from bandwatch.explain.default_look import DefaultLook, default_look_sentence
from bandwatch.explain.forecast_checks import PlantedLeader
from bandwatch.models.forecast_problem import TrainingWatch
from bandwatch.models.forecast_question import ForecastQuestion
from bandwatch.models.forecast_rows import ForecastRows
from bandwatch.models.forecasters.default_training import train_default
from bandwatch.pipeline.replay import open_recording
from bandwatch.tests.recorded import write_recording

ROWS, LEARNED, LOST = 520, 420, 300


@pytest.fixture(scope="module")
def planted():
    return PlantedLeader.make(4, rows=ROWS, frequencies=8)


@pytest.fixture(scope="module")
def look(planted, tmp_path_factory):
    """The followers alone are forecast; a row is lost."""
    path = tmp_path_factory.mktemp("band") / "band.npy"
    values = planted.values * 3 - 90
    values[LOST] = np.nan
    write_recording(path, values, step_seconds=1800.0, bin_hz=1e6)
    rows = ForecastRows.read(open_recording(path), None)
    question = ForecastQuestion(rows, slice(0, LEARNED), slice(LEARNED, ROWS), [slice(0, 8)])
    fitted = train_default(question.problem(slice(0, 8)), 0, TrainingWatch())
    return DefaultLook.of(question, fitted, most=60)


def test_the_planted_leader_is_what_it_looks_at(look, planted):
    assert look.frequencies.argmax() == planted.leader


def test_the_map_covers_what_windows_cover(look):
    covered = np.isfinite(look.map).all(axis=1)
    assert look.map.shape == (ROWS, 8)
    assert not covered[LOST]
    assert covered.sum() > 0.95 * ROWS
    assert look.windows == 60
    assert look.steps.sum() + look.older == pytest.approx(1, abs=1e-6)
    assert 0 < look.older < 0.5


def test_it_is_told_in_words(look, planted):
    told = default_look_sentence(look, slice(0, 4), look.frequencies, lambda top: f"column {top[0]}")
    assert told.startswith(
        f"By its own map (SHAP, by its slopes) the default looks most at column {planted.leader}."
    )
    assert "correlate by 1.00" in told
    share = look.frequencies[:4].sum() / look.frequencies.sum()
    assert f"{share:.0%}".replace("%", " %") + " of the map is on the 4 frequencies" in told
