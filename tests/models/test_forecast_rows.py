"""Rows keep the numbers by which people ask for them, and nothing spans what is missing."""

import numpy as np
import pytest

from bandwatch.models.forecast_rows import ForecastRows
from bandwatch.pipeline.errors import BadInput
from bandwatch.pipeline.replay import open_recording
from bandwatch.tests.recorded import levels, real, write_recording


def read(path, step_s=None):
    return ForecastRows.read(open_recording(path), step_s)


def brute_force(there, follows, before, after):
    """Origins by looking at every row: `there` [n], and whether each row follows the one before it [n]."""
    rows = len(there)
    return [
        origin
        for origin in range(before, rows - after + 1)
        if all(there[origin - before : origin + after]) and all(follows[origin - before + 1 : origin + after])
    ]


def test_without_aggregation_a_row_of_the_file_is_a_row_even_where_one_is_not_finite(tmp_path):
    values = levels(60, 5)
    values[20, 3] = np.nan
    values[21] = np.inf
    rows = read(write_recording(tmp_path / "band.npy", values))
    assert rows.count == 60
    assert rows.number.tolist() == [*range(20), *range(22, 60)]
    assert (rows.table.values == values[rows.number]).all()
    there = np.isfinite(values).all(axis=1)
    assert rows.unbroken(4, 3).tolist() == brute_force(there, np.ones(60), 4, 3)
    (stretch,) = rows.grid()
    assert stretch.place.tolist() == rows.number.tolist()
    assert np.isnan(stretch.values[20:22]).all()
    assert (stretch.values[stretch.place] == values[rows.number]).all()


def test_aggregated_rows_are_means_as_a_reshape_makes_them():
    recording = open_recording(real("callisto/GAURI.npz"))
    rows = ForecastRows.read(recording, 5.0)
    counts = np.load(real("callisto/GAURI.npz"))["counts"]
    means = counts.reshape(-1, 20, 200).mean(axis=1)
    assert rows.count == 1080
    assert rows.number.tolist() == list(range(1080))
    assert rows.table.values == pytest.approx(means, abs=1e-4)
    assert not rows.table.breaks


def test_a_hole_in_time_is_a_break_in_the_rows_and_as_long_in_the_grid(tmp_path):
    times = 1_767_225_600.0 + np.concatenate([np.arange(40), np.arange(47, 90)])
    values = levels(83, 4)
    rows = read(write_recording(tmp_path / "band.npz", values, times=times))
    assert rows.count == 83
    follows = np.ones(83)
    follows[40] = 0
    assert rows.unbroken(5, 2).tolist() == brute_force(np.ones(83), follows, 5, 2)
    (stretch,) = rows.grid()
    assert stretch.place.tolist() == [*range(40), *range(47, 90)]
    assert np.isnan(stretch.values[40:47]).all()


def test_rows_of_before_a_change_of_meaning_are_in_another_stretch(tmp_path):
    times = 1_767_225_600.0 + np.concatenate([np.arange(30), np.arange(3, 33)])  # the clock was set back
    rows = read(write_recording(tmp_path / "band.npz", levels(60, 4), times=times))
    assert [len(stretch.values) for stretch in rows.grid()] == [30, 30]
    assert rows.grid()[1].number.tolist() == list(range(30, 60))
    part = rows.between(slice(20, 50))
    assert (part.breaks, part.changes) == ((10,), (10,))
    assert rows.between(slice(30, 60)).breaks == ()


def test_any_pattern_of_missing_rows_and_breaks_gives_the_origins_of_a_search(tmp_path):
    random = np.random.default_rng(5)
    for number in range(20):
        values = levels(70, 4, seed=number)
        there = random.random(70) > 0.04
        there[0] = True
        values[~there] = np.nan
        holes = np.where(random.random(70) < 0.04, 9.0, 0.0)
        times = 1_767_225_600.0 + np.cumsum(1 + holes)
        rows = read(write_recording(tmp_path / f"{number}.npz", values, times=times))
        assert rows.unbroken(6, 4).tolist() == brute_force(there, holes == 0, 6, 4)
        assert (rows.table.values == values[there]).all()


def test_a_step_shorter_than_a_row_is_the_row(tmp_path):
    values = levels(40, 4)
    values[7] = np.nan
    path = write_recording(tmp_path / "band.npy", values, step_seconds=900)
    assert read(path, 60).number.tolist() == read(path).number.tolist()


def test_what_has_no_step_or_too_many_is_refused(tmp_path, monkeypatch):
    short = write_recording(tmp_path / "short.npy", levels(10, 4))
    with pytest.raises(BadInput, match="short.npy: holds no whole step of 3600 s"):
        read(short, 3600.0)
    monkeypatch.setattr("bandwatch.models.forecast_rows.MOST_VALUES", 30)
    with pytest.raises(BadInput, match="10 steps of 4 columns; limit: 7 of them, so give a longer"):
        read(short)
