"""Every recording of the shared data opens, is inspected and is replayed by the agent."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from bandwatch.agent.cli import main
from bandwatch.agent.commands.inspect import inspect_command
from bandwatch.pipeline.replay import open_channels, open_recording
from bandwatch.tests.recorded import DATA, real

NOT_RECORDINGS = (".yaml", ".md", ".txt", ".cff", ".sha256", ".sigmf-data", "LICENSE", "acceptance.bin")

app = typer.Typer()
app.command()(inspect_command)


def recordings() -> list[Path]:
    return sorted(
        path for path in DATA.rglob("*") if path.is_file() and not path.name.endswith(NOT_RECORDINGS)
    )


def replayed(paths: list[Path], folder: Path) -> list[dict[str, Any]]:
    out = folder / "records.jsonl"
    main_arguments = ["replay", *map(str, paths), "--speed", "max", "--json", str(out)]
    try:
        main(main_arguments)
    except SystemExit as left:
        assert not left.code
    return [json.loads(line) for line in out.read_text().splitlines()]


@pytest.mark.parametrize("path", recordings(), ids=lambda path: str(path.relative_to(DATA)))
def test_a_recording_is_inspected(path: Path, tmp_path: Path) -> None:
    arguments = [str(path)] if "callisto" in str(path) else [str(path), "--png", str(tmp_path / "out.png")]
    result = CliRunner(env={"COLUMNS": "200"}).invoke(app, arguments, catch_exceptions=False)
    assert result.exit_code == 0
    assert f"{open_recording(path).rows:,}" in result.stdout


@pytest.mark.parametrize("folder", ["ook-433mhz-cu8", "wifi-bt-iq", "rc-car-2g4", "sigmf-logo", "rtl-power"])
def test_a_folder_of_recordings_is_replayed_by_one_agent(
    folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BANDWATCH__STORE__DIRECTORY", str(tmp_path / "store"))
    real(folder)
    paths = [path for path in recordings() if path.relative_to(DATA).parts[0] == folder]
    records = replayed(paths, tmp_path)
    opened = [each for path in paths for each in open_channels(path)]
    assert records[-1]["rows"] == sum(each.rows for each in opened)
    assert records[-1]["complete"]
    windows = Counter(record["band"] for record in records if record["kind"] == "window")
    forecasts = Counter(record["band"] for record in records if record["kind"] == "forecast")
    for each in opened:
        if folder == "rtl-power":
            assert (each.bins, windows[each.band]) == (2, 0)
            assert forecasts[each.band] > 0
        else:
            assert windows[each.band] >= 1
    if folder == "rtl-power":
        assert set(records[-1]["windows_discarded"]) == {"too_few_bins"}


def test_nist_s_own_stream_is_the_matrix_made_of_it() -> None:
    stream = open_recording(real("nist-lte-uplink/LTE_UL_bc17_ts1012_stream_peak1s.dat"))
    matrix = open_recording(real("nist-lte-uplink/power_dbm_int8.npy"))
    assert stream.rows == matrix.rows
    for one, other in zip(stream, matrix, strict=True):
        assert one.power_db.tobytes() == other.power_db.tobytes()
        assert (one.time_ns, one.first_hz, one.unit) == (other.time_ns, other.first_hz, other.unit)
