"""A replay's records depend on the recording alone: not on speed, read size or the way rows travel."""

import json
from pathlib import Path

import numpy as np
import pytest

from bandwatch.agent.cli import main
from bandwatch.tests.recorded import levels, write_recording

ROWS = 2_600
STEP_S = 1.0


@pytest.fixture(scope="module")
def recording(tmp_path_factory) -> Path:
    """A band of 140 bins and one-second rows: two segments, a hole of 40 rows, three rows with NaN."""
    random = np.random.default_rng(5)
    power_db = random.normal(-100, 1, (ROWS, 140))
    for start in range(0, ROWS, 37):
        first = int(random.integers(0, 120))
        power_db[start : start + 9, first : first + 12] += 20
    power_db[700:703, 5] = np.nan
    time_unix = 1.8e9 + np.arange(ROWS) * STEP_S + random.uniform(-0.05, 0.05, ROWS)
    time_unix[300:] += 40 * STEP_S
    path = tmp_path_factory.mktemp("recording") / "band.npz"
    np.savez(path, power_db=power_db.astype(np.float32), time_unix=time_unix)
    path.with_name("band.npz.yaml").write_text(
        "{array: power_db, time_unix: time_unix, first_hz: 868.0e6, bin_hz: 1000, unit: dBm/bin, "
        "node: roof, band: srd}"
    )
    return path


@pytest.fixture(scope="module")
def reference(recording: Path) -> bytes:
    return replayed(recording, "--speed", "max")


def replayed(recording: Path, *options: str) -> bytes:
    out = recording.with_name("records.jsonl")
    out.unlink(missing_ok=True)
    with pytest.raises(SystemExit) as ended:
        main(["replay", str(recording), "--json", str(out), "--no-serve", *options])
    assert ended.value.code == 0
    return out.read_bytes()


@pytest.mark.parametrize(
    "options",
    [
        ("--speed", "max"),
        ("--speed", "max", "--chunk-rows", "1"),
        ("--speed", "max", "--chunk-rows", "999"),
        ("--speed", "1000"),
        ("--speed", "max", "--through", "ipc"),
        ("--speed", "max", "--through", "tcp", "--chunk-rows", "13"),
        ("--speed", "900", "--through", "ipc"),
    ],
)
def test_the_same_bytes_however_it_is_played(recording: Path, reference: bytes, options: tuple[str, ...]):
    assert replayed(recording, *options) == reference


@pytest.mark.parametrize("options", [("--speed", "300"), ("--speed", "max", "--chunk-rows", "5")])
@pytest.mark.parametrize("through", ["ipc", "tcp"])
def test_several_files_of_one_band_come_whole_through_a_socket(tmp_path: Path, through: str, options):
    files = [
        write_recording(
            tmp_path / f"{number}.npy",
            levels(60, 40, seed=number),
            start=f"2026-01-31T12:{number:02}:00Z",
            step_seconds=1,
            band="srd",
        )
        for number in range(5)
    ]
    records = []
    for way in ("direct", through):
        out = tmp_path / f"{way}.jsonl"
        with pytest.raises(SystemExit) as ended:
            main(["replay", *map(str, files), "--json", str(out), "--no-serve", "--through", way, *options])
        assert ended.value.code == 0
        records.append(out.read_bytes())
    assert records[0] == records[1]
    assert json.loads(records[0].splitlines()[-1])["rows"] == 300


def test_the_records_are_what_the_rules_predict(reference: bytes):
    records = [json.loads(line) for line in reference.splitlines()]
    summary = records[-1]
    stretches = [300, 400, ROWS - 703]  # rows between the hole, the NaN rows and the ends
    assert summary["kind"] == "summary"
    assert summary["complete"]
    assert summary["rows"] == sum(stretches)
    assert summary["windows"] == sum(2 * ((rows - 128) // 16 + 1) for rows in stretches)
    gaps = [(gap["reason"], gap["lost_rows"]) for gap in records if gap["kind"] == "gap"]
    assert gaps == [("source", 40), ("source", 1), ("source", 1), ("source", 1)]
    assert summary["rows_lost"] == 43
    assert summary["windows_discarded"] == {"source": 4}
    windows = [record for record in records if record["kind"] == "window"]
    assert all(window["cluster"] is None for window in windows[:94])
    labels = {window["cluster"] for window in windows[96:]}
    assert None not in labels
    assert len(labels) > 1
    forecasts = [record for record in records if record["kind"] == "forecast"]
    # Of 44 minutes the hole leaves minute 5 a third of its rows: histories begin after it, and the rows
    # of NaN are too few to break them.
    assert len(forecasts) == 44 - 6 - 23
    assert len(forecasts[0]["mean"]) == 12
    assert len(forecasts[0]["mean"][0]) == len(forecasts[0]["frequencies_hz"]) == 140


def test_no_window_spans_a_gap(reference: bytes):
    records = [json.loads(line) for line in reference.splitlines()]
    gaps = [record["time_ns"] for record in records if record["kind"] == "gap"]
    for window in (record for record in records if record["kind"] == "window"):
        assert not [gap for gap in gaps if window["start_ns"] < gap < window["end_ns"] - STEP_S * 1e9]
