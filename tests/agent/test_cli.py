"""Wrong input is one clear line and exit code 2; nothing is left behind."""

from pathlib import Path

import numpy as np
import pytest
import yaml

from bandwatch import __version__
from bandwatch.agent.cli import main
from bandwatch.tests.recorded import levels, write_recording


def ran(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(list(arguments))
    return int(ended.value.code or 0)


def error_line(capsys, *arguments: str) -> str:
    assert ran(*arguments) == 2
    errors = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error:")]
    assert len(errors) == 1, errors
    return errors[0]


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch):
    monkeypatch.setenv("BANDWATCH__STORE__DIRECTORY", str(tmp_path / "state"))


def test_version_and_help(capsys):
    assert ran("--version") == 0
    assert capsys.readouterr().out == f"bandwatch {__version__}\n"
    for command in ("run", "replay", "capture", "simulate", "inspect", "check", "devices"):
        assert ran(command, "--help") == 0
        assert "Example:" in capsys.readouterr().out
    for command in ("clusters", "forecast"):
        assert ran("train", command, "--help") == 0
        assert "Example:" in capsys.readouterr().out


def test_a_missing_an_empty_and_a_truncated_recording(tmp_path: Path, capsys):
    assert "nowhere.npy" in error_line(capsys, "replay", str(tmp_path / "nowhere.npy"), "--speed", "max")
    empty = write_recording(tmp_path / "empty.npy", levels())
    empty.write_bytes(b"")
    assert "empty.npy" in error_line(capsys, "replay", str(empty), "--speed", "max")
    cut = write_recording(tmp_path / "cut.npy", levels(100))
    cut.write_bytes(cut.read_bytes()[:-100])
    line = error_line(capsys, "replay", str(cut), "--speed", "max", "--json", str(tmp_path / "out.jsonl"))
    assert "cut.npy" in line
    assert not (tmp_path / "out.jsonl").exists()


def test_a_unit_nobody_knows_names_the_ones_that_are(tmp_path: Path, capsys):
    path = write_recording(tmp_path / "band.npy", levels(), unit="dBW")
    line = error_line(capsys, "inspect", str(path))
    assert "'dBW'" in line
    assert "dBm/bin" in line


def test_a_recording_of_nothing_but_nan_is_refused_and_leaves_no_records(tmp_path: Path, capsys):
    path = write_recording(tmp_path / "band.npy", np.full((200, 64), np.nan, dtype=np.float32))
    out = tmp_path / "out.jsonl"
    assert "band.npy" in error_line(capsys, "replay", str(path), "--speed", "max", "--json", str(out))
    assert list(tmp_path.glob("*out*")) == []


def test_nan_rows_are_said_once_and_survived(tmp_path: Path, capsys):
    values = levels(400, 64)
    values[150:153, 3] = np.inf
    path = write_recording(tmp_path / "band.npy", values)
    assert ran("replay", str(path), "--speed", "max") == 0
    said = capsys.readouterr().err
    assert said.count("NaN or infinite") == 1
    assert "397 rows" in said
    assert "3 rows lost" in said


@pytest.mark.parametrize("speed", ["0", "-1", "nan", "fast"])
def test_a_speed_that_is_none(tmp_path: Path, capsys, speed: str):
    path = write_recording(tmp_path / "band.npy", levels())
    assert speed in error_line(capsys, "replay", str(path), "--speed", speed)


def test_records_into_a_folder_that_is_not_there(tmp_path: Path, capsys):
    path = write_recording(tmp_path / "band.npy", levels())
    out = str(tmp_path / "nowhere" / "out.jsonl")
    line = error_line(capsys, "replay", str(path), "--speed", "max", "--json", out)
    assert f"{out}: cannot be written: No such file or directory" in line


def test_records_never_overwrite_the_recording_or_its_sidecar(tmp_path: Path, capsys):
    path = write_recording(tmp_path / "band.npy", levels())
    before = path.read_bytes()
    for target in (path, tmp_path / "band.npy.yaml"):
        line = error_line(capsys, "replay", str(path), "--speed", "max", "--json", str(target))
        assert "is the recording itself, or its sidecar" in line
    assert path.read_bytes() == before


def test_a_full_device_is_one_line_and_exit_code_1(tmp_path: Path, capsys):
    path = write_recording(tmp_path / "band.npy", levels(400, 64))
    assert ran("replay", str(path), "--speed", "max", "--json", "/dev/full") == 1
    errors = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error:")]
    assert errors == ["error: /dev/full: cannot be written: No space left on device"]


def test_a_band_model_of_another_geometry_is_refused_in_one_line_and_the_band_warms_up(
    tmp_path: Path, capsys
):
    path = write_recording(
        tmp_path / "band.npy", levels(300, 200), node="simulated", band="srd-868", step_seconds=0.2
    )
    assert ran("replay", str(path), "--speed", "max") == 0
    said = capsys.readouterr().err
    assert said.count("band model simulated/srd-868 was fitted on 1024 bins") == 1
    assert "has 200 bins" in said


def test_a_forecast_model_of_other_frequencies_is_refused_in_one_line(tmp_path: Path, capsys):
    values = levels(200, 64)
    path = write_recording(
        tmp_path / "band.npy", values, node="simulated", band="srd-868", step_seconds=60, unit="dBFS/bin"
    )
    assert ran("replay", str(path), "--speed", "max") == 0
    said = capsys.readouterr().err
    assert said.count("simulated/srd-868: forecast model: the band's frequencies are") == 1
    assert "177 forecasts" in said


def test_too_few_bins_give_forecasts_and_no_windows(tmp_path: Path, capsys):
    path = write_recording(tmp_path / "band.npy", levels(300, 3), step_seconds=60)
    assert ran("replay", str(path), "--speed", "max") == 0
    said = capsys.readouterr().err
    assert "0 windows" in said
    assert "277 forecasts" in said
    assert "too_few_bins" in said


def test_a_bundle_that_is_none(tmp_path: Path, capsys, monkeypatch):
    path = write_recording(tmp_path / "band.npy", levels())
    monkeypatch.setenv("BANDWATCH__MODELS__BUNDLE", str(tmp_path / "nowhere"))
    assert "nowhere" in error_line(capsys, "replay", str(path), "--speed", "max")


def test_wrong_settings(tmp_path: Path, capsys):
    config = tmp_path / "node.yaml"
    config.write_text("bands: [{name: a, psd: {binz: 64}}]\n")
    assert "bands[0].psd.binz: unknown key; did you mean 'bins'?" in error_line(
        capsys, "check", "-c", str(config)
    )
    config.write_text("bands: [{name: a}]\n")
    for command in ("run", "check"):
        assert "bands[0].source: must be given" in error_line(capsys, command, "-c", str(config))
    config.write_text(
        "bands: [{name: a, source: {kind: radio, device: rtlsdr, center_hz: 1e8, sample_rate_hz: 1e6}}]"
    )
    for command in ("run", "check"):
        assert "bands[0].source.device: radio device" in error_line(capsys, command, "-c", str(config))
    config.write_text("node: {name: a}\n")
    assert "node.yaml: bands: must be given" in error_line(capsys, "check", "-c", str(config))
    config.write_text("bands: [{name: a, source: {kind: simulator}}]\n")
    assert "transport.endpoint: must be given" in error_line(capsys, "capture", "-c", str(config))


def test_check_says_what_the_agent_would_do(tmp_path: Path, capsys):
    config = tmp_path / "node.yaml"
    config.write_text(
        yaml.safe_dump(
            {
                "node": {"name": "roof"},
                "bands": [
                    {"name": "a", "source": {"kind": "stream", "endpoint": "tcp://10.0.0.1:9745"}},
                    {"name": "b", "source": {"kind": "simulator"}},
                ],
            }
        )
    )
    assert ran("check", "-c", str(config)) == 0
    said = capsys.readouterr().out
    assert f"{config}: right" in said
    assert "a: stream tcp://10.0.0.1:9745; warms up its own model" in said
