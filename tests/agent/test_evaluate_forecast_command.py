"""`bandwatch evaluate forecast`: figures that others can check, no foresight, or one line."""

import json

import numpy as np
import pytest

from bandwatch.agent.cli import main
from bandwatch.explain.forecast_trainers import EVERY_TRAINER, FIRST_SHARE
from bandwatch.explain.selected_forecasters import CUTS
from bandwatch.models.forecast_models import BASELINES
from bandwatch.models.forecast_work import ForecastWork
from bandwatch.pipeline.errors import BadInput
from bandwatch.tests.recorded import levels, real, write_recording

ROWS = ("--train-rows", "0:140", "--test-rows", "140:200")


@pytest.fixture
def bandwatch(capsys):
    """Runs the command line; gives its exit code and what it wrote to both streams."""

    def run(*arguments):
        with pytest.raises(SystemExit) as left:
            main([str(argument) for argument in arguments])
        return left.value.code, *capsys.readouterr()

    return run


def evaluated(bandwatch, folder, data, *arguments):
    """The figures, the predictions and what was said on both streams."""
    out, predictions = folder / "out.json", folder / "out.npz"
    code, said, errors = bandwatch(
        *("evaluate", "forecast", "--data", data, "--json", out, "--predictions", predictions),
        *("--models", "repeat-last", *arguments),
    )
    assert code == 0, errors
    with np.load(predictions) as arrays:
        return json.loads(out.read_text()), dict(arrays), said, errors


def band(folder, values, name="band.npy"):
    return write_recording(folder / name, values)


def rhythm(rows=200, columns=6):
    """A daily course of 30 rows and noise."""
    day = 5 * np.sin(2 * np.pi * np.arange(rows) / 30)[:, np.newaxis]
    return (levels(rows, columns) / 3 + day).astype(np.float32)


def test_predictions_give_the_figures_for_every_baseline(bandwatch, tmp_path):
    values = rhythm()
    record, arrays, said, _ = evaluated(
        bandwatch, tmp_path, band(tmp_path, values), *ROWS, "--out-columns", "2:5"
    )
    origins = arrays.pop("origins")
    assert origins.dtype == np.int64
    assert origins.tolist() == list(range(140, 189))
    assert arrays.keys() == record["models"].keys() == set(BASELINES)
    truth = np.stack([values[origin : origin + 12, 2:5] for origin in origins]).astype(np.float64)
    for name, said_of_it in arrays.items():
        assert said_of_it.dtype == np.float32
        error, figures = said_of_it - truth, record["models"][name]
        assert figures["rmse"] == pytest.approx(np.sqrt(np.square(error).mean()))
        assert figures["mape"] == pytest.approx(100 * np.abs(error / truth).mean())
        assert figures["rmse_by_horizon"] == pytest.approx(np.sqrt(np.square(error).mean(axis=(0, 2))))
        assert name in said
    assert record["data"]["origins_left_out"] == {"no_history": 0, "broken": 0}
    assert record["models"]["repeat-last"]["skill"] == 0
    assert record["models"]["seasonal"]["skill"] > 0.5  # it found the day
    assert not list(tmp_path.glob("*.work"))


def test_repeat_last_of_a_real_recording_is_what_a_line_of_numpy_says(bandwatch, tmp_path):
    path = real("electrosense-madrid/psd_db.csv")
    rows = ("--train-rows", "1200:1600", "--test-rows", "1600:2000", "--out-columns", "30:45")
    record, arrays, *_ = evaluated(bandwatch, tmp_path, path, *rows)
    values = np.loadtxt(path, delimiter=",")[:, 30:45]
    error = np.stack([values[o - 1] - values[o : o + 12] for o in range(1600, 1989)])
    assert record["models"]["repeat-last"]["rmse"] == pytest.approx(
        np.sqrt(np.square(error).mean()), rel=1e-6
    )
    assert arrays["repeat-last"].shape == (389, 12, 15)


def test_corrupting_what_comes_after_an_origin_changes_no_forecast_and_no_training(bandwatch, tmp_path):
    values = rhythm()
    corrupt = values.copy()
    corrupt[160:] = 1000 * np.random.default_rng(1).random((40, 6))
    files = band(tmp_path, values, "whole.npy"), band(tmp_path, corrupt, "corrupt.npy")
    whole, broken = (evaluated(bandwatch, tmp_path, file, *ROWS)[1] for file in files)
    untouched = whole["origins"] <= 160
    assert untouched.sum() == 21
    for name in BASELINES:
        assert (whole[name][untouched] == broken[name][untouched]).all(), name
        assert (whole[name][~untouched] != broken[name][~untouched]).any(), name


def test_rows_are_counted_after_aggregation_and_missing_ones_said(bandwatch, tmp_path):
    values = np.repeat(rhythm(), 4, axis=0)
    values[4 * 150 : 4 * 153] = np.nan  # three whole steps
    path = band(tmp_path, values)  # rows of 0.5 s
    record, arrays, said, errors = evaluated(
        bandwatch, tmp_path, path, *ROWS[:2], "--test-rows", "140:", "--step-seconds", 2
    )
    assert (record["data"]["rows"], record["data"]["breaks"]) == (197, 1)
    assert arrays["origins"].tolist() == list(range(174, 186))
    assert record["data"]["origins_left_out"]["broken"] == 46 - 12
    assert "34 left out for breaks" in said
    assert "NaN or infinite values" in errors


def test_of_two_runs_at_once_into_one_file_the_second_is_refused(bandwatch, tmp_path):
    path, work = band(tmp_path, rhythm()), tmp_path / "out.json.work"
    with ForecastWork(work).for_one_run():
        arguments = ("evaluate", "forecast", "--data", path, *ROWS, "--models", "ridge")
        code, _, errors = bandwatch(*arguments, "--json", tmp_path / "out.json")
        assert code == 2
        assert "out.json.work: another run is at work there" in errors
        assert work.is_dir()
        for _ in range(2):
            assert bandwatch(*arguments, "--json", tmp_path / "shared.json", "--work", work)[0] == 0
    assert not work.exists()
    evaluated(bandwatch, tmp_path, path, *ROWS)


def test_figures_and_tables_of_the_paper(bandwatch, tmp_path):
    folder = tmp_path / "figures"
    arguments = (*ROWS, "--out-columns", "0:2", "--out-columns", "3:6", "--figures", folder)
    record, arrays, said, _ = evaluated(bandwatch, tmp_path, band(tmp_path, rhythm()), *arguments)
    assert sorted(path.name for path in folder.iterdir()) == [
        *(f"figure{number}.png" for number in range(2, 7)),
        "tables.md",
    ]
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in folder.glob("*.png"))
    tables = (folder / "tables.md").read_text()
    assert (
        f"| ridge | {record['models']['ridge']['rmse']:.4f} | {record['models']['ridge']['mape']:.2f} |"
        in tables
    )
    assert arrays["ridge"].shape == (49, 12, 5)
    assert "0:2" in said


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (["--train-rows", "140"], "--train-rows 140: limit: two whole numbers A:B"),
        (["--train-rows", "-5:140"], "--train-rows -5:140: limit: two whole numbers A:B"),
        (
            ["--train-rows", "0:50"],
            "0:50: 15 windows of 36 rows without a break to learn from; limit: at least 32",
        ),
        (
            ["--train-rows", "4:70"],
            "4:70: 31 windows of 36 rows without a break to learn from; limit: at least 32, as 67",
        ),
        (["--test-rows", "150:150"], "--test-rows 150:150: holds nothing; limit: A:B with A below B"),
        (["--test-rows", "140:300"], "--test-rows 140:300: the data has 200 rows"),
        (["--test-rows", "500:"], "--test-rows 500:: the data has 200, from 0 on"),
        (["--test-rows", "139:200"], "--test-rows 139:200: shares 1 rows with --train-rows 0:140"),
        (["--out-columns", "5:7"], "--out-columns 5:7: the data has 6 columns"),
        (["--models", "lsmt"], "--models lsmt: is not one; the nearest is lstm; limit: all, repeat-last"),
        (["--models", "gc-cnn-lsmt"], "--models gc-cnn-lsmt: is not one; the nearest is gc-cnn-lstm"),
        (["--models", ","], "--models: names none"),
        (["--steps", 48], "--steps 48: limit: 24, what the networks are built for"),
        (["--horizon", 13], "--horizon 13: limit: 1 to 12 steps"),
        (["--data", "nowhere.npy"], "nowhere.npy: no such file"),
        (["--json", "BAND"], "is one of the files read; take another name"),
        (["--predictions", "out.txt"], "--predictions out.txt: suffix is '.txt'; limit: .npz"),
        (["--work", "BAND"], "is a file; limit: a folder"),
        (["--figures", "nowhere/figures"], "the folder nowhere does not exist"),
    ],
)
def test_what_cannot_be_is_one_line_and_nothing_is_written(bandwatch, tmp_path, changes, message):
    path = band(tmp_path, rhythm())
    options = {"--data": path, "--json": tmp_path / "out.json", ROWS[0]: ROWS[1], ROWS[2]: ROWS[3]}
    options[changes[0]] = path if changes[1] == "BAND" else changes[1]
    before = path.read_bytes(), sorted(tmp_path.iterdir())
    code, _, errors = bandwatch("evaluate", "forecast", *(each for pair in options.items() for each in pair))
    assert code == 2
    lines = [line for line in errors.splitlines() if line.startswith("error:")]
    assert len(lines) == 1
    assert message in lines[0]
    assert (path.read_bytes(), sorted(tmp_path.iterdir())) == before


@pytest.mark.parametrize(("rows", "windows"), [("0:110", 31), ("0:111", None)])
def test_what_a_model_that_chooses_needs_is_said_before_anything_is_trained(
    bandwatch, tmp_path, monkeypatch, rows, windows
):
    assert dict.fromkeys(FIRST_SHARE, CUTS[0]) == FIRST_SHARE
    trained = []

    def stop(*_):
        trained.append(1)
        raise BadInput("it trains")

    monkeypatch.setitem(EVERY_TRAINER, "repeat-last", stop)
    arguments = ("evaluate", "forecast", "--data", band(tmp_path, rhythm()), "--json", tmp_path / "out.json")
    code, _, errors = bandwatch(*arguments, "--train-rows", rows, *ROWS[2:], "--models", "gc-cnn-lstm")
    assert code == 2
    assert bool(trained) is (windows is None)
    if windows:
        assert f"--train-rows {rows}: {windows} windows of 36 rows" in errors
        assert "in the first 60% of them" in errors
        assert "limit: at least 32, as 111 whole rows have, or --models without gc-cnn-lstm" in errors


def test_rows_that_are_just_enough_are_trained_on_by_all_that_need_so_many(bandwatch, tmp_path):
    values = rhythm()
    values[20] = np.nan  # the windows of rows 21 to 87: as many as are needed
    for stop, code in ((87, 2), (88, 0)):
        arguments = (
            "--train-rows",
            f"0:{stop}",
            *ROWS[2:],
            "--models",
            "default",
            "--json",
            tmp_path / "o.json",
        )
        assert bandwatch("evaluate", "forecast", "--data", band(tmp_path, values), *arguments)[0] == code


def test_help_has_an_example(bandwatch):
    code, said, _ = bandwatch("evaluate", "forecast", "--help")
    assert code == 0
    assert "Example: bandwatch evaluate forecast" in said
