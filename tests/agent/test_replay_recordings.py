"""The agent over real recordings: every window, every forecast, and not a gap too many."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from bandwatch.agent.cli import main
from bandwatch.pipeline.recording import Recording
from bandwatch.pipeline.replay import open_recording
from bandwatch.tests.recorded import real

WINDOW_ROWS = 128
STRIDE_ROWS = 16
STEP_NS = 60_000_000_000
HISTORY_STEPS = 24
WARM_WINDOWS = 96


@dataclass(frozen=True)
class Case:
    """A recording, how many segments its bins make, and how much of it is played (None: all)."""

    name: str
    segments: int
    first_rows: int | None = None


CASES = [
    Case("logatec-868mhz/data_reduced.h5", 8),
    Case("nist-lte-uplink/power_dbm_int8.npy", 1),
    Case("embers-orbcomm/rf0XX_2019-10-01-14-30.npz", 1),
    Case("embers-orbcomm/S06XX_2019-10-01-14-30.npz", 1),
    # A whole one of these takes long: every row of the first is a step to forecast from.
    Case("electrosense-madrid/psd_db.csv", 2, first_rows=1000),
    Case("callisto/GAURI.npz", 2, first_rows=8000),
    Case("callisto/GREENLAND.npz", 2, first_rows=8000),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_recording_gives_what_its_rows_and_bins_promise(
    case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BANDWATCH__STORE__DIRECTORY", str(tmp_path / "store"))
    path = real(case.name)
    if case.first_rows is not None:
        path = first_rows(path, tmp_path, case.first_rows)
    recording = open_recording(path)
    records = replayed(path, tmp_path / "records.jsonl")
    windows, forecasts, gaps, summaries = (
        [record for record in records if record["kind"] == kind]
        for kind in ("window", "forecast", "gap", "summary")
    )
    assert gaps == []
    assert len(windows) == case.segments * ((recording.rows - WINDOW_ROWS) // STRIDE_ROWS + 1)
    assert {window["segment"] for window in windows} == set(range(case.segments))
    if len(windows) > WARM_WINDOWS:
        labels = {window["cluster"] for window in windows[WARM_WINDOWS:]}
        assert None not in labels
        assert len(labels) > 1
    assert len(forecasts) == max(0, steps_of(recording) - (HISTORY_STEPS - 1))
    assert [records[-1]] == summaries
    said = [records[-1][key] for key in ("rows", "windows", "forecasts", "gaps", "rows_lost")]
    assert said == [recording.rows, len(windows), len(forecasts), 0, 0]


def steps_of(recording: Recording) -> int:
    """Whole minutes of which half or more was heard and the end too; longer rows are each a step."""
    if recording.step_ns >= STEP_NS:
        return recording.rows
    first = recording.start_ns // STEP_NS
    heard_ns = STEP_NS - recording.start_ns % STEP_NS
    return recording.end_ns // STEP_NS - first - (heard_ns < STEP_NS / 2)


def replayed(path: Path, out: Path) -> list[dict]:
    with pytest.raises(SystemExit) as ended:
        main(["replay", str(path), "--speed", "max", "--no-serve", "--json", str(out)])
    assert ended.value.code == 0
    return [json.loads(line) for line in out.read_bytes().splitlines()]


def first_rows(path: Path, folder: Path, rows: int) -> Path:
    """A recording of the first rows of a csv or npz, of the same name and with the same sidecar."""
    short = folder / path.name
    if path.suffix == ".csv":
        short.write_text("".join(path.read_text().splitlines(keepends=True)[:rows]))
    else:
        with np.load(path) as arrays:
            longest = max(array.shape[0] for array in arrays.values())
            kept = {n: a[:rows] if a.shape[0] == longest else a for n, a in arrays.items()}
        np.savez_compressed(short, **kept)
    shutil.copy(path.with_name(path.name + ".yaml"), short.with_name(short.name + ".yaml"))
    return short
