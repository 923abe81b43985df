"""`bandwatch train forecast`: a new bundle with the forecasters of the bands in the data."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import typer
import yaml
from typer.testing import CliRunner, Result

from bandwatch.agent.commands.train_forecast import train_forecast_command
from bandwatch.models.bundle import Bundle, write_bundle
from bandwatch.models.encoder_weights import expected_shapes
from bandwatch.models.forecast_training import train_cnn_lstm
from bandwatch.models.step_table import gather_steps
from bandwatch.pipeline.errors import BadInput
from bandwatch.pipeline.replay import open_recording

app = typer.Typer()
app.command()(train_forecast_command)
app.command("other")(lambda: None)


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["train-forecast-command", *map(str, arguments)])


def record(path: Path, *, band: str = "band", rows: int = 240, seed: int = 0, hour: int = 0) -> Path:
    """A recording of 40 bins, a row a second."""
    random = np.random.default_rng(seed)
    wave = np.sin(np.arange(rows)[:, np.newaxis] / 5 + np.arange(40))
    np.save(path, (3 * wave - 90 + random.normal(0, 0.5, wave.shape)).astype(np.float32))
    sidecar = {
        "start": f"2026-01-01T{hour:02}:00:00Z",
        "step_seconds": 1,
        "first_hz": 868.0e6,
        "bin_hz": 1000.0,
        "unit": "dBm/bin",
        "node": "node",
        "band": band,
    }
    Path(f"{path}.yaml").write_text(yaml.safe_dump(sidecar))
    return path


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle with a narrow encoder and one band of its own."""
    folder = tmp_path_factory.mktemp("base")
    weights = {name: np.full(shape, 0.01, np.float32) for name, shape in expected_shapes(2).items()}
    (table,) = gather_steps([open_recording(record(folder / "old.npy", band="old"))], step_s=1.0)
    models = {("node", "old"): [train_cnn_lstm(table, epochs=1, iterations=1)]}
    write_bundle(folder / "bundle", weights, 2, models=models, training={"seed": 7})
    return folder / "bundle"


def test_the_new_bundle_has_the_forecaster_and_all_that_the_old_one_had(tmp_path: Path, base: Path) -> None:
    data, out = record(tmp_path / "a.npy"), tmp_path / "new"
    result = run("--data", data, "--out", out, "--bundle", base, "--step-seconds", 1, "--epochs", 1)
    assert result.exit_code == 0, result.output
    bundle, before = Bundle.load(out, device="cpu"), Bundle.load(base, device="cpu")
    assert f"{out}: bundle {bundle.name}" in result.output
    assert "node/band: 240 steps; held out: RMSE " in result.output
    assert bundle.bands() == [("node", "band"), ("node", "old")]
    for part, sha256 in before.manifest.parts.items():
        assert bundle.manifest.parts[part] == sha256
    assert bundle.manifest.training["seed"] == 7
    assert bundle.manifest.training["forecast"]["node/band"]["epochs"] == 1
    assert bundle.manifest.training["forecast"]["added_to"] == before.name
    model = bundle.cnn_lstm("node", "band")
    assert model is not None
    (table,) = gather_steps([open_recording(data)], step_s=1.0)
    expected = train_cnn_lstm(table, epochs=1)
    np.testing.assert_array_equal(model.weights["output.weight"], expected.weights["output.weight"])
    assert not out.with_name("new.training").exists()


def test_several_files_may_follow_data_and_a_bands_forecaster_is_replaced(tmp_path: Path, base: Path) -> None:
    first = record(tmp_path / "a.npy", band="old")
    second = record(tmp_path / "b.npy", band="old", hour=1, seed=1)
    third = record(tmp_path / "c.npy", band="third")
    out = tmp_path / "new"
    result = run(
        "--data", first, second, third, "--out", out, "--bundle", base, "--step-seconds", 1, "--epochs", 1
    )
    assert result.exit_code == 0, result.output
    bundle = Bundle.load(out, device="cpu")
    assert bundle.bands() == [("node", "old"), ("node", "third")]
    model = bundle.cnn_lstm("node", "old")
    assert model is not None
    assert model.figures["rows"] == 480
    old = Bundle.load(base, device="cpu").cnn_lstm("node", "old")
    assert old is not None
    assert old.figures["rows"] == 240


def test_the_simulated_band_needs_no_file(tmp_path: Path, base: Path) -> None:
    out = tmp_path / "new"
    result = run(
        *("--data", "simulated", "--out", out, "--bundle", base, "--epochs", 1),
        *("--step-seconds", 1, "--simulated-steps", 200),
    )
    assert result.exit_code == 0, result.output
    model = Bundle.load(out, device="cpu").cnn_lstm("simulated", "srd-868")
    assert model is not None
    assert model.frequencies_hz.size == 256
    assert model.figures["rows"] == 200


def test_a_killed_training_goes_on_to_the_same_bundle(tmp_path: Path, base: Path) -> None:
    data = record(tmp_path / "a.npy")
    arguments = ["--data", data, "--bundle", base, "--step-seconds", 1, "--seed", 3, "--epochs"]
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    code = (
        "import sys, typer; from bandwatch.agent.commands.train_forecast import train_forecast_command;"
        "app = typer.Typer(); app.command()(train_forecast_command); app()"
    )
    command = [sys.executable, "-c", code, *map(str, arguments), "5", "--out", str(killed)]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    checkpoint = tmp_path / "killed.training" / "node+band.safetensors"
    deadline = time.monotonic() + 60
    while not checkpoint.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert checkpoint.exists(), "killed too late, or it never began: nothing is proven"
    assert not killed.exists()
    assert run(*arguments, 5, "--out", killed).exit_code == 0
    assert run(*arguments, 5, "--out", whole, "--no-resume").exit_code == 0
    assert (killed / "manifest.yaml").read_bytes() == (whole / "manifest.yaml").read_bytes()
    assert not checkpoint.parent.exists()


def test_no_resume_starts_anew(tmp_path: Path, base: Path) -> None:
    out = tmp_path / "new"
    checkpoint = tmp_path / "new.training" / "node+band.safetensors"
    checkpoint.parent.mkdir()
    checkpoint.write_bytes(b"what another training left")
    arguments = ["--data", record(tmp_path / "a.npy"), "--out", out, "--bundle", base, "--epochs", 1]
    refused = run(*arguments, "--step-seconds", 1)
    assert isinstance(refused.exception, BadInput)
    assert str(checkpoint) in str(refused.exception)
    assert run(*arguments, "--step-seconds", 1, "--no-resume").exit_code == 0


def test_bad_input_is_refused_before_any_training(tmp_path: Path, base: Path) -> None:
    data = record(tmp_path / "a.npy")
    for arguments, message in (
        (("--data", data, "--out", base), f"--out {base}: is there already, and bundles never change"),
        (("--data", tmp_path / "none.npy", "--out", tmp_path / "x"), "none.npy: no such file"),
        (("--data", data, "--out", tmp_path / "x", "--step-seconds", 600), "no whole step of 600 s"),
        (("--data", data, "--out", tmp_path / "x", "--step-seconds", 10), "24 steps give 0 training"),
    ):
        result = run(*arguments, "--bundle", base)
        assert isinstance(result.exception, BadInput), result.output
        assert message in str(result.exception)
    result = run("--data", data, "--out", tmp_path / "x", "--bundle", tmp_path / "none")
    assert "none: no such folder" in str(result.exception)
    assert not (tmp_path / "x").exists()


def test_help_shows_an_example() -> None:
    result = run("--help")
    assert "Example: bandwatch train forecast --data" in result.output
