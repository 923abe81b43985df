"""`bandwatch simulate`: recordings that read back as the band, whole or not at all."""

import itertools
import json
import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime

import h5py
import numpy as np
import pytest
import typer
import yaml
from typer.testing import CliRunner

from bandwatch.agent.commands.simulate import simulate_command
from bandwatch.pipeline.errors import BadInput
from bandwatch.pipeline.scene import Scene
from bandwatch.pipeline.simulated_recording import BLOCK_ROWS, iso_utc, write_recording
from bandwatch.pipeline.simulator import Simulator

ROWS = BLOCK_ROWS + 476  # 300 s: more than one block

READERS = {
    "npy": lambda path: np.load(path),
    "npz": lambda path: np.load(path)["power_db"],
    "h5": lambda path: h5py.File(path)["power_db"][:],
}


def simulate(*arguments: object):
    app = typer.Typer()
    app.command()(simulate_command)
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.mark.parametrize("suffix", READERS)
def test_a_recording_reads_back_as_the_rows_of_the_band(tmp_path, suffix):
    out, truth = tmp_path / f"band.{suffix}", tmp_path / "truth.jsonl"
    result = simulate("--seconds", 300, "--seed", 7, "--out", out, "--truth", truth)
    assert result.exit_code == 0, result.output
    assert f"{out}: {ROWS} rows of 1024 bins, 300 s" in result.output

    simulator = Simulator(7)
    power_db = READERS[suffix](out)
    assert power_db.dtype == np.float32
    assert power_db.tobytes() == simulator.block(ROWS).tobytes()

    lines = [json.loads(line) for line in truth.read_text().splitlines()]
    assert len(lines) == len(simulator.truth) > 20
    for line, emission in zip(lines, simulator.truth, strict=True):
        assert set(line) == {"kind", "start", "end", "low_hz", "high_hz", "power_db"}
        assert np.datetime64(line["start"].rstrip("Z"), "ns").astype(int) == emission.start_ns
        assert np.datetime64(line["end"].rstrip("Z"), "ns").astype(int) == emission.end_ns
        assert (line["kind"], line["low_hz"]) == (emission.kind, emission.low_hz)
    assert {path.name for path in tmp_path.iterdir()} == {out.name, f"{out.name}.yaml", "truth.jsonl"}


@pytest.mark.parametrize(
    ("suffix", "array"), [("npy", {}), ("npz", {"array": "power_db"}), ("h5", {"dataset": "power_db"})]
)
def test_the_sidecar_says_what_the_array_cannot(tmp_path, suffix, array):
    simulate("--seconds", 2, "--out", tmp_path / f"x.{suffix}")
    assert yaml.safe_load((tmp_path / f"x.{suffix}.yaml").read_text()) == array | {
        "start": datetime(2026, 1, 1, tzinfo=UTC),
        "step_seconds": 0.2,
        "first_hz": 868.296e6 - 511.5 * 187.5,
        "bin_hz": 187.5,
        "unit": "dBFS/bin",
        "node": "simulated",
        "band": "srd-868",
    }


def test_a_recording_may_begin_anywhere_in_the_band_and_any_time(tmp_path):
    simulator = Simulator(3, node="n: 1", start_ns=1_700_000_000_000_000_001)
    simulator.block(100)  # 20 s
    write_recording(simulator, tmp_path / "later.npy", 50)
    whole = Simulator(3, start_ns=simulator.start_ns).block(150)
    assert np.load(tmp_path / "later.npy").tobytes() == whole[100:].tobytes()
    text = (tmp_path / "later.npy.yaml").read_text()
    assert text.startswith("start: 2023-11-14T22:13:40.000000001Z\n")
    assert yaml.safe_load(text)["node"] == "n: 1"


def test_times_are_iso_8601():
    assert iso_utc(0) == "1970-01-01T00:00:00Z"
    assert iso_utc(1_500_000_000) == "1970-01-01T00:00:01.500000000Z"


TOO_SHORT = "it must be a number of at least one row, 0.2"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--seconds 5 --out x.wav", "x.wav: suffix is '.wav', a recording is written as .npy, .npz, .h5"),
        ("--seconds 0 --out x.npy", f"--seconds is 0, {TOO_SHORT}"),
        ("--seconds -3 --out x.npy", f"--seconds is -3, {TOO_SHORT}"),
        ("--seconds nan --out x.npy", f"--seconds is nan, {TOO_SHORT}"),
        ("--seconds inf --out x.npy", f"--seconds is inf, {TOO_SHORT}"),
        ("--seconds 5 --seed -1 --out x.npy", "simulator: seed is -1, it must be at least 0"),
        ("--seconds 5 --out no/x.npy", "no/x.npy: the folder no does not exist"),
        ("--seconds 5 --out x.npy --truth no/t", "no/t: the folder no does not exist"),
        ("--seconds 5 --out folder.npy", "folder.npy: is a folder, a file name is needed"),
        ("--seconds 5 --out x.npy --truth x.npy", "x.npy: the truth needs a file of its own"),
        (
            "--seconds 1e6 --out x.npz",
            "x.npz: 5000000 rows are 20.5 GB, an .npz takes at most 2 GB",
        ),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder.npy").mkdir()
    result = simulate(*arguments.split())
    assert isinstance(result.exception, BadInput)
    assert str(result.exception).startswith(message)
    assert "\n" not in str(result.exception)
    assert [path.name for path in tmp_path.iterdir()] == ["folder.npy"]


def test_a_recording_of_no_rows_is_refused(tmp_path):
    with pytest.raises(BadInput, match=r"x\.npy: 0 rows asked for, a recording has at least 1"):
        write_recording(Simulator(0), tmp_path / "x.npy", 0)


def test_progress_adds_up_to_the_rows(tmp_path):
    heard = []
    write_recording(
        Simulator(0, scene=Scene(bins=32)), tmp_path / "x.npy", 2 * BLOCK_ROWS + 1, on_rows=heard.append
    )
    assert heard == [BLOCK_ROWS, BLOCK_ROWS, 1]


def test_a_failure_half_way_leaves_nothing_and_harms_no_older_recording(tmp_path):
    class StopError(Exception):
        pass

    def stop(_rows: int) -> None:
        raise StopError

    (tmp_path / "x.h5").write_text("older")
    with pytest.raises(StopError):
        write_recording(Simulator(0), tmp_path / "x.h5", 5000, truth_path=tmp_path / "t.jsonl", on_rows=stop)
    assert [path.name for path in tmp_path.iterdir()] == ["x.h5"]
    assert (tmp_path / "x.h5").read_text() == "older"


def test_a_kill_leaves_no_file_that_looks_whole(tmp_path):
    code = (
        "import typer; from bandwatch.agent.commands.simulate import simulate_command as c; "
        "app = typer.Typer(); app.command()(c); app()"
    )
    out = tmp_path / "x.npy"
    process = subprocess.Popen(
        [sys.executable, "-c", code, "--seconds", "100000", "--out", str(out)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + 60
        while not any(p.stat().st_size > 10_000_000 for p in tmp_path.glob(".x.npy.*.part")):
            assert process.poll() is None, "it ended before it could be killed"
            assert time.monotonic() < deadline, "nothing was written in a minute"
            time.sleep(0.02)
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    assert [path.name for path in tmp_path.iterdir() if not path.name.endswith(".part")] == []


class TestSamples:
    @pytest.mark.parametrize("suffix", ["sigmf-meta", "cf32", "cs16"])
    def test_read_back_as_the_transmissions_of_the_rows(self, tmp_path, suffix):
        from bandwatch.pipeline.psd import PowerSpectrum
        from bandwatch.pipeline.replay import open_recording

        out, truth, rows_truth = tmp_path / f"band.{suffix}", tmp_path / "t.jsonl", tmp_path / "rows.jsonl"
        asked = ("--seconds", 26, "--seed", 7, "--scene", "logatec", "--truth")
        result = simulate(*asked, truth, "--iq", "--out", out)
        assert result.exit_code == 0, result.output
        assert "4992000 samples at 192000 a second" in result.output
        simulate(*asked, rows_truth, "--out", tmp_path / "rows.npy")
        assert truth.read_text() == rows_truth.read_text()
        assert len(truth.read_text().splitlines()) > 3

        recording = open_recording(out, spectrum=PowerSpectrum(bins=1024, frames_per_row=75))
        frames = [item for item in recording if hasattr(item, "power_db")]
        assert (recording.node, recording.band) == ("simulated", "logatec-868")
        assert (frames[0].center_hz, frames[0].bin_hz) == (868.296e6, 187.5)
        assert frames[0].time_ns == Simulator(0).start_ns
        assert frames[1].time_ns - frames[0].time_ns == 200_000_000
        heard = np.stack([frame.power_db for frame in frames]).astype(float)
        painted = np.load(tmp_path / "rows.npy")[: len(heard)].astype(float)
        assert len(heard) in (129, 130)
        assert np.abs(heard.mean(1) - painted.mean(1)).max() < 1.0
        # The analyser's rows are not rounded to whole dB.
        assert np.median(heard) == pytest.approx(painted.mean(1).min(), abs=0.5)

    def test_sigmf_carries_the_truth_as_annotations(self, tmp_path):
        simulate("--seconds", 26, "--seed", 7, "--iq", "--out", tmp_path / "a.sigmf-data")
        meta = json.loads((tmp_path / "a.sigmf-meta").read_text())
        assert (tmp_path / "a.sigmf-data").stat().st_size == 8 * 4_992_000
        truth = simulator_truth(7, 130)
        assert [note["core:label"] for note in meta["annotations"]] == [each.kind for each in truth]
        for note, emission in zip(meta["annotations"], truth, strict=True):
            seconds = (emission.start_ns - Simulator(7).start_ns) / 1e9
            assert note["core:sample_start"] == pytest.approx(seconds * 192e3, abs=1)
            assert note["core:freq_lower_edge"] >= 868.2e6 - 1
            assert note["core:freq_upper_edge"] <= 868.392e6 + 1

    def test_int16_tells_what_it_clips(self, tmp_path):
        from bandwatch.pipeline.simulated_iq import SimulatedBand, write_iq_recording

        loud = SimulatedBand(1, Scene(bins=64, noise_floor_db=-10.0, emitters=()), 0, 1)
        clipped = write_iq_recording(loud, tmp_path / "x.cs16")
        samples = np.fromfile(tmp_path / "x.cs16", "<i2").reshape(-1, 2)
        assert 0 < clipped == ((samples == -32768) | (samples == 32767)).any(1).sum()

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (
                "--out x.npy --iq",
                "x.npy: suffix is '.npy', samples are written as .sigmf-meta, .sigmf-data, .cf32, .cs16",
            ),
            ("--out x.cf32", "x.cf32: suffix is '.cf32', a recording is written as .npy, .npz, .h5"),
            ("--out no/x.cf32 --iq", "no/x.cf32: the folder no does not exist"),
            ("--out x.cf32 --iq --truth x.cf32.yaml", "x.cf32.yaml: the truth needs a file of its own"),
            (
                "--out x.npy --scene town",
                "scene: 'town' is not known, there are default, logatec, wide, varied, broad, strange",
            ),
            ("--out x.cf32 --iq --seed -1", "simulator: seed is -1, it must be at least 0"),
        ],
    )
    def test_what_cannot_be_is_said_in_one_line(self, tmp_path, monkeypatch, arguments, message):
        monkeypatch.chdir(tmp_path)
        result = simulate("--seconds", 5, *arguments.split())
        assert isinstance(result.exception, BadInput)
        assert str(result.exception).startswith(message)
        assert list(tmp_path.iterdir()) == []


def simulator_truth(seed: int, rows: int):
    simulator = Simulator(seed)
    simulator.block(rows)
    return simulator.truth


def test_what_windows_show_is_told_window_by_window(tmp_path):
    from bandwatch.models.training_windows import cut_windows
    from bandwatch.models.window_energy import energy_truth

    path = tmp_path / "windows.jsonl"
    asked = ("--seconds", 110, "--seed", 5, "--out", tmp_path / "x.npy", "--windows")
    result = simulate(*asked, path)
    assert f"{path}: 32 windows" in result.output  # 550 rows: four times 128, in eight segments
    simulator = Simulator(5)
    windows = list(itertools.islice(cut_windows(simulator.frames(), 128), 32))
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert len(lines) == 32
    for line, window in zip(lines, windows, strict=True):
        truth = energy_truth(window, simulator.truth, 19.0)
        assert (line["segment"], line["start_ns"], line["end_ns"]) == (
            window.segment,
            window.start_ns,
            window.end_ns,
        )
        assert (line["low_hz"] + line["high_hz"]) / 2 == pytest.approx(window.center_hz, abs=1e-3)
        assert line["kind"] == truth.main_kind
        assert set(line["shown"]) == truth.kinds
        assert list(line["energies"]) == list(truth.by_kind)
    assert len({line["kind"] for line in lines}) > 2

    refused = simulate(*asked, tmp_path / "x.npy")
    assert str(refused.exception) == (
        f"{tmp_path / 'x.npy'}: what windows show needs a file of its own, this is another's"
    )
