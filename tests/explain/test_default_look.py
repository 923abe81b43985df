"""The default's look at a recording: its map covers what a window covers, and says so in words."""

import numpy as np
import pytest

from bandwatch.explain.default_look import DefaultLook, default_look_sentence
from bandwatch.explain.forecast_checks import PlantedLeader
from bandwatch.explain.global_map import even_map, global_map
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
    fitted = train_default(question.problem(slice(0, 8)), 0, TrainingWatch()).steady
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


def test_few_windows_make_the_map_that_all_would():
    """Rows that were seen as the newest step do not stand out for it."""
    random = np.random.default_rng(0)
    level = random.uniform(1, 3, 120)  # how much a row matters, wherever it is seen
    steps = np.geomspace(0.1, 3, 24)
    firsts = np.arange(97)
    sizes = (steps * level[firsts[:, np.newaxis] + np.arange(24)])[:, :, np.newaxis].astype(np.float32)
    right = level[23:97] / level[23:97].mean()

    def beside(found):
        return found[23:97, 0] / found[23:97, 0].mean()

    assert beside(even_map(sizes, firsts, 120)) == pytest.approx(right, rel=0.02)
    assert beside(even_map(sizes[::8], firsts[::8], 120)) == pytest.approx(right, rel=0.2)
    assert np.abs(beside(global_map(sizes[::8], firsts[::8], 120)) / right - 1).max() > 0.5
