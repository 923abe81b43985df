"""`bandwatch train clusters` writes a bundle, goes on after a kill, and says in one line what is wrong."""

import json
import os
import signal
import subprocess
import sys
import time

import matplotlib.image
import numpy as np
import pytest
import torch
import yaml

from bandwatch.agent.cli import main
from bandwatch.models.bundle import Bundle

SMALL = ["--width", "2", "--clusters", "4", "--components", "4", "--cycle", "2", "--threads", "1"]


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


def recording(path, count, seed=0, nan_row=None):
    """A file of 256 bins with a carrier in its upper half for half of the time."""
    power = np.random.default_rng(seed).normal(-100, 1, (count, 256)).astype(np.float32)
    power[: count // 2, 200:204] += 20
    if nan_row is not None:
        power[nan_row] = np.nan
    np.save(path, power)
    path.with_name(path.name + ".yaml").write_text(
        "start: 2026-01-01T00:00:00Z\nstep_seconds: 1\nfirst_hz: 868.0e6\nbin_hz: 187.5\nunit: dBm/bin\n"
        "node: roof\nband: srd\n"
    )
    return path


def test_learns_from_recordings_and_models_their_band(bandwatch, tmp_path):
    files = [recording(tmp_path / f"{n}.npy", 128 * 8, seed=n) for n in range(2)]
    out = tmp_path / "bundle"
    code, said, progress = bandwatch(
        "train", "clusters", "--data", *files, "--out", out, "--epochs", 2, *SMALL
    )
    assert code == 0, progress
    assert "32 windows" in said
    assert "roof/srd: 4 clusters, 256 bins of 187.5 Hz from 868 MHz in dBm/bin, 2 segments" in said
    assert "epoch 2/2: loss" in progress
    bundle = Bundle.load(out, device="cpu")
    assert bundle.bands() == [("roof", "srd")]
    assert bundle.band_model("roof", "srd").windows == 2 * 2 * 57
    training = yaml.safe_load((out / "manifest.yaml").read_text())["training"]
    assert training["data"] == ["0.npy", "1.npy"]
    assert training["windows"] == 32
    assert not (tmp_path / "bundle.training").exists()
    assert training["precision"] in ("float32", "bfloat16")


def test_keeps_head_and_curves_and_draws_them(bandwatch, tmp_path):
    file, out, png = recording(tmp_path / "a.npy", 128 * 12), tmp_path / "bundle", tmp_path / "curves.png"
    code, said, progress = bandwatch(
        *("train", "clusters", "--data", file, "--out", out, "--epochs", 3, "--plot", png),
        *[*SMALL[:4], "--components", "0.9", *SMALL[6:]],
    )
    assert code == 0, progress
    assert "of the windows changed theirs" in progress
    bundle = Bundle.load(out, device="cpu")
    head, figures = bundle.head(), bundle.manifest.figures
    assert f"the head names {figures['head_agreement']:.1%} of their clusters" in said
    assert figures["head_agreement"] > 0.9
    # As many components as explain 0.9, and one fewer would not; the band's model has as many.
    kept = head.projection.variance_ratio
    assert figures["components_kept"] == len(kept)
    assert kept.sum() >= 0.9 > kept[:-1].sum()
    assert bundle.band_model("roof", "srd").projection.component_count <= len(kept)
    curves = bundle.curves()
    assert [epoch.reclustered for epoch in curves.epochs] == [True, False, True]
    assert round(curves.epochs[-1].loss, 4) == figures["final_loss"]
    assert matplotlib.image.imread(png).std() > 0
    assert not (tmp_path / "bundle.training").exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_asked_to_stop_it_says_so_in_one_line_and_loses_no_epoch(tmp_path, number):
    file, out = recording(tmp_path / "a.npy", 128 * 12), tmp_path / "bundle"
    arguments = ["train", "clusters", "--data", file, "--out", out, "--epochs", 100_000, *SMALL]
    # As in the foreground of a terminal: what a script starts in the background ignores Ctrl-C.
    program = (
        "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "
        "from bandwatch.agent.cli import main; main(sys.argv[1:])"
    )
    curves = tmp_path / "bundle.training" / "curves.jsonl"
    with subprocess.Popen(
        [sys.executable, "-c", program, *map(str, arguments)], stderr=subprocess.PIPE, text=True
    ) as process:
        while not (curves.exists() and curves.read_text().count("\n") >= 2) and process.poll() is None:
            time.sleep(0.005)
        process.send_signal(number)
        _, said = process.communicate(timeout=240)
    assert process.returncode == 130
    done = [json.loads(line)["number"] for line in curves.read_text().splitlines()]
    assert done == list(range(len(done)))
    assert said.splitlines()[-1] == (
        f"stopped after {len(done)} of 100000 epochs; the same command goes on from {curves.parent}"
    )
    assert "Traceback" not in said
    assert (tmp_path / "bundle.training" / "encoder.checkpoint").exists()
    assert not out.exists()


def test_a_row_of_nan_is_a_gap_and_nothing_more(bandwatch, tmp_path):
    file = recording(tmp_path / "a.npy", 128 * 10, nan_row=300)
    out = tmp_path / "bundle"
    code, said, progress = bandwatch("train", "clusters", "--data", file, "--out", out, "--epochs", 1, *SMALL)
    assert code == 0, progress
    assert "18 windows" in said  # 300 and 979 rows give 2 and 7 of two segments
    assert Bundle.load(out, device="cpu").band_model("roof", "srd").windows == 2 * (11 + 54)


def test_only_its_own_checkpoint_is_removed(bandwatch, tmp_path):
    file = recording(tmp_path / "a.npy", 128 * 6)
    of_another = tmp_path / "bundle.training" / "roof+srd.safetensors"
    of_another.parent.mkdir()
    of_another.write_bytes(b"of a forecaster")
    code, _, progress = bandwatch(
        *("train", "clusters", "--data", file, "--out", tmp_path / "bundle", "--epochs", 1, "--no-resume"),
        *SMALL,
    )
    assert code == 0, progress
    assert [left.name for left in of_another.parent.iterdir()] == ["roof+srd.safetensors"]


@pytest.mark.slow
def test_learns_from_simulated_bands_and_says_how_well(bandwatch, tmp_path):
    out = tmp_path / "bundle"
    code, said, progress = bandwatch(
        "train", "clusters", "--data", "simulated", "--out", out, "--epochs", 1, "--windows", 16, *SMALL
    )
    assert code == 0, progress
    assert (
        "simulated/srd-868: 4 clusters, 1024 bins of 187.5 Hz from 868.2000937 MHz in dBFS/bin, 8 segments"
        in said
    )
    manifest = Bundle.load(out, device="cpu").manifest
    assert manifest.training["data"] == "1 varied simulated bands, seeds 1 to 1"
    assert {"nmi_kinds_default_band", "nmi_kinds_varied_bands"} <= manifest.figures.keys()


def test_killed_it_goes_on_to_the_same_bundle(bandwatch, tmp_path):
    file = recording(tmp_path / "a.npy", 128 * 12)
    arguments = ["train", "clusters", "--data", file, "--epochs", 40, *SMALL]
    assert bandwatch(*arguments, "--out", tmp_path / "whole")[0] == 0

    program = "import sys; from bandwatch.agent.cli import main; main(sys.argv[1:])"
    command = [sys.executable, "-c", program, *map(str, arguments), "--out", str(tmp_path / "cut")]
    checkpoint = tmp_path / "cut.training" / "encoder.checkpoint"
    with subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as process:
        while not checkpoint.exists() and process.poll() is None:
            time.sleep(0.005)
        os.kill(process.pid, signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    assert checkpoint.exists()
    assert not (tmp_path / "cut").exists()

    code, _, progress = bandwatch(*arguments, "--out", tmp_path / "cut")
    assert code == 0, progress
    hashes = [Bundle.load(tmp_path / name, device="cpu").hash for name in ("whole", "cut")]
    assert hashes[0] == hashes[1]


def test_other_settings_need_a_new_start(bandwatch, tmp_path):
    file = recording(tmp_path / "a.npy", 128 * 6)
    checkpoint = tmp_path / "bundle.training" / "encoder.checkpoint"
    checkpoint.parent.mkdir()
    checkpoint.write_bytes(b"of something else")
    arguments = ["train", "clusters", "--data", file, "--out", tmp_path / "bundle", "--epochs", 1, *SMALL]
    code, _, error = bandwatch(*arguments)
    assert code == 2
    assert f"{checkpoint}: not a whole checkpoint" in error
    assert bandwatch(*arguments, "--no-resume")[0] == 0


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (["none.npy"], "none.npy"),
        (["simulated", "short.npy"], "--data: 'simulated' stands alone, beside it was given 1 more"),
        (["short.npy"], "2 training windows: 4 clusters need at least 8"),
    ],
)
def test_data_it_cannot_learn_from_is_refused_in_one_line(bandwatch, tmp_path, monkeypatch, data, message):
    recording(tmp_path / "short.npy", 130)
    monkeypatch.chdir(tmp_path)
    code, said, error = bandwatch("train", "clusters", "--data", *data, "--out", "bundle", *SMALL)
    assert (code, said) == (2, "")
    assert message in error.splitlines()[-1]
    assert not (tmp_path / "bundle").exists()


@pytest.mark.parametrize("asked", ["0", "-3", "1.0", "0.0", "2.5", "most", "nan", "1e-1x"])
def test_components_that_are_neither_number_nor_share_are_refused(bandwatch, tmp_path, asked):
    code, _, error = bandwatch(
        "train", "clusters", "--data", "simulated", "--out", tmp_path / "b", "--components", asked
    )
    assert code == 2
    assert (
        f"--components {asked}: needs a number of components, at least 1, or a share of the variance "
        "between 0 and 1" in error
    )


def test_a_picture_with_no_place_to_go_is_refused_before_the_training(bandwatch, tmp_path):
    png = tmp_path / "none" / "curves.png"
    code, _, error = bandwatch(
        "train", "clusters", "--data", "simulated", "--out", tmp_path / "b", "--plot", png
    )
    assert code == 2
    assert f"--plot {png}; limit: a file in a folder that exists" in error


def test_a_bundle_is_never_written_over(bandwatch, tmp_path):
    (tmp_path / "bundle").mkdir()
    code, _, error = bandwatch("train", "clusters", "--data", "simulated", "--out", tmp_path / "bundle")
    assert code == 2
    assert "is there already, and bundles never change; name another folder" in error


def test_help_gives_an_example(bandwatch):
    code, said, _ = bandwatch("train", "clusters", "--help")
    assert code == 0
    assert "bandwatch train clusters --data" in said
