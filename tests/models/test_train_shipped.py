"""The script that builds the shipped bundle refuses before it trains, and never leaves half a bundle."""

import subprocess
import sys
from pathlib import Path

import pytest

from bandwatch.models.bundle import Bundle, shipped_bundle

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "train_shipped.py"


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(SCRIPT), *map(str, arguments)], capture_output=True, text=True, check=False
    )


def test_what_is_there_is_refused_before_any_training(tmp_path):
    out = tmp_path / "bundle"
    out.mkdir()
    ran = run("--out", out)
    assert (ran.returncode, ran.stdout) == (1, "")
    assert ran.stderr == f"--out {out}: is there already; --replace puts the new one in its place\n"


def test_an_encoder_that_is_not_there_leaves_the_old_bundle(tmp_path):
    out = tmp_path / "bundle"
    out.mkdir()
    (out / "kept").touch()
    ran = run("--out", out, "--replace", "--encoder-from", tmp_path / "none")
    assert ran.returncode == 1
    assert ran.stderr == f"bundle {tmp_path / 'none'}: no such folder\n"
    assert [left.name for left in out.iterdir()] == ["kept"]


@pytest.mark.slow
def test_with_an_encoder_that_is_there_the_shipped_bundle_is_made_again(tmp_path):
    ran = run("--out", tmp_path / "bundle", "--encoder-from", shipped_bundle())
    assert ran.returncode == 0, ran.stderr
    ours, theirs = Bundle.load(tmp_path / "bundle", device="cpu"), Bundle.load(shipped_bundle(), device="cpu")
    assert ours.manifest.training == theirs.manifest.training
    encoder, forecaster = "encoder.safetensors", "bands/simulated/srd-868/forecast.safetensors"
    assert all(ours.manifest.parts[part] == theirs.manifest.parts[part] for part in (encoder, forecaster))
    assert [left.name for left in tmp_path.iterdir()] == ["bundle"]
