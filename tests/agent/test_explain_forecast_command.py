"""`bandwatch explain forecast`: a report of a recording's forecasts, or one line."""

import json

import numpy as np
import pytest
import torch

from bandwatch.agent.cli import main
from bandwatch.agent.commands.forecast_options import chosen_models
from bandwatch.explain.forecast_trainers import SELECTING
from bandwatch.models.forecast_models import BASELINES, TRAINERS
from bandwatch.models.forecast_work import ForecastWork
from bandwatch.tests.recorded import levels, write_recording


@pytest.fixture
def bandwatch(capsys):
    """Runs the command line; gives its exit code and what it wrote to both streams."""
    threads = torch.get_num_threads()

    def run(*arguments):
        with pytest.raises(SystemExit) as left:
            main([str(argument) for argument in arguments])
        return left.value.code, *capsys.readouterr()

    yield run
    torch.set_num_threads(threads)


@pytest.fixture
def band(tmp_path):
    """A day of 30 rows and noise, with a hole."""
    day = 5 * np.sin(2 * np.pi * np.arange(260) / 30)[:, np.newaxis]
    values = (levels(260, 6) / 3 + day).astype(np.float32)
    values[150] = np.nan
    return write_recording(tmp_path / "band.npy", values, node="roof", band="low")


def test_a_recording_becomes_a_report(bandwatch, tmp_path, band):
    out = tmp_path / "why"
    ask = ("explain", "forecast", "--data", band, "--out", out, "--epochs", 1, "--windows", 6)
    code, said, errors = bandwatch(*ask, "--out-columns", "2:5", "--models", "cnn")
    assert code == 0, errors
    assert not (tmp_path / "why.work").exists()
    record = json.loads((out / "report.json").read_text())
    assert (record["kind"], record["network"], record["out_columns"]) == ("explain-forecast", "cnn", [2, 5])
    assert (record["train_rows"], record["test_rows"]) == ([0, 208], [208, 260])
    assert record["models"].keys() == {*BASELINES, "cnn", "default"}
    assert len(record["models"]["cnn"]["rmse_by_column"]) == 3
    assert len(record["importance"]["SHAP"]) == 6
    written = sorted(str(path.relative_to(out)) for path in out.rglob("*") if path.is_file())
    assert written == sorted([*record["files"], "report.json"])
    assert {"roof-low/map.png", "roof-low/map.npz", "roof-low/top-frequencies.svg"} <= {*written}
    covered = np.isfinite(np.load(out / "roof-low" / "map.npz")["map"]).all(axis=1)
    assert np.flatnonzero(~covered).tolist() == [150]
    assert record["words"]["frequencies"] in said
    assert f"report: {out / 'report.html'}" in said


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("--models", "lstm"), "--models lstm: names no network with a convolution, which Grad-CAM needs"),
        (("--models", "cnn-lstn"), "--models cnn-lstn: is not one; the nearest is cnn-lstm"),
        (("--models", "gc-cnn-lst"), "--models gc-cnn-lst: is not one; the nearest is gc-cnn-lstm"),
        (("--models", ","), "--models: names none"),
        (("--train-rows", "0:900"), "--train-rows 0:900: the data has 260 rows"),
        (("--train-rows", "9"), "--train-rows 9: limit: two whole numbers A:B"),
        (("--train-rows", "0:200", "--test-rows", "190:260"), "shares 10 rows with --train-rows 0:200"),
        (("--test-rows", "250:260"), "--test-rows 250:260: no origin; limit: 12 rows there"),
        (("--out-columns", "4:9"), "--out-columns 4:9: the data has 6 columns"),
    ],
)
def test_what_cannot_be_explained_is_one_line(bandwatch, tmp_path, band, arguments, line):
    code, said, errors = bandwatch(
        "explain", "forecast", "--data", band, "--out", tmp_path / "why", *arguments
    )
    assert (code, said) == (2, "")
    assert line in errors
    assert errors.strip().count("\n") == 0
    assert not {tmp_path / "why", tmp_path / "why.work"} & {*tmp_path.iterdir()}


def test_what_a_forecaster_chose_is_told(bandwatch, tmp_path, band):
    out = tmp_path / "why"
    code, said, errors = bandwatch(
        "explain", "forecast", "--data", band, "--out", out, "--epochs", 1, "--windows", 6,
        "--models", "gc-cnn-lstm",
    )  # fmt: skip
    assert code == 0, errors
    record = json.loads((out / "report.json").read_text())
    assert record["network"] == "cnn-lstm"  # as which the other began
    assert record["models"].keys() == {*BASELINES, "cnn-lstm", "default", "gc-cnn-lstm"}
    chosen = record["selected"]["gc-cnn-lstm"]
    assert chosen["retained"] == [0, 1, 2, 3, 4, 5]  # fewer than the paper's least: all
    assert [pair[:2] for pair in chosen["tried"]] == [[6, parts] for parts in (0, 2, 4, 6, 8, 10)]
    assert record["words"]["selected"][0] in said
    assert "Chosen inputs" in (out / "report.html").read_text()
    assert (out / "roof-low" / "chosen.svg").is_file()


def test_two_runs_into_one_folder_do_not_mix(bandwatch, tmp_path, band):
    out = tmp_path / "why"
    with ForecastWork(tmp_path / "why.work").for_one_run():
        code, _, errors = bandwatch("explain", "forecast", "--data", band, "--out", out, "--epochs", 1)
    assert code == 2
    assert "why.work: another run is at work there; limit: one at a time" in errors
    assert not out.exists()


def test_all_are_all_and_the_baselines_are_always_beside():
    assert [*chosen_models("all")] == [*TRAINERS, *SELECTING]
    assert [*chosen_models("shap-cnn-lstm, gru")] == [*BASELINES, "gru", "shap-cnn-lstm"]


def test_a_folder_of_something_else_is_refused_before_the_work(bandwatch, tmp_path, band):
    (tmp_path / "report.json").write_text('{"kind": "explain-clusters", "files": ["band.npy"]}')
    code, _, errors = bandwatch("explain", "forecast", "--data", band, "--out", tmp_path)
    assert code == 2
    assert "is not empty and holds no report of before" in errors
    assert band.exists()
