"""Records: one JSON object a line, in order, a summary last, and no half file."""

import json
from pathlib import Path

import numpy as np
import pytest

from bandwatch.agent.failure import Failure
from bandwatch.agent.outputs import Discarded, Fitted
from bandwatch.agent.records import Records
from bandwatch.pipeline.errors import BadInput
from bandwatch.pipeline.frames import Assignment, Forecast, Gap, LevelledRow, Verdict
from bandwatch.tests.jig import SECOND, rows


def forecast() -> Forecast:
    mean = np.full((12, 2), 1.23456789, dtype=np.float32)
    unknown = np.full((12, 2), np.nan, dtype=np.float32)
    return Forecast("n", "b", 5, 60.0, np.array([1e6, 2e6]), mean, unknown, mean, "nlinear", mean, -84.0)


OUTPUTS = [
    LevelledRow(rows(1)[0], -100.0, -90.0, 0.1),
    Fitted("n", "b", 96, 12, "m"),
    Assignment("n", "b", 0, 1, 2, None, None, None, "m"),
    Assignment("n", "b", 1, 1, 2, 3, 0.5, 0.25, "m"),
    forecast(),
    Verdict("n", "b", 0, 2, "normal", 0.5, ("why",)),
    Gap("n", "b", 4, 3, None, "lost", 7),
    Discarded("n", "b", "lost", 8, 7),
]


def read(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_every_kind_of_record_and_the_summary(tmp_path: Path):
    path = tmp_path / "out.jsonl"
    with Records(path) as records:
        for output in OUTPUTS:
            records.take(output)
    warming, window, predicted, verdict, gap, summary = read(path)
    assert warming["kind"] == "window"
    assert warming["cluster"] is warming["distance"] is warming["novelty"] is None
    assert (window["segment"], window["cluster"], window["distance"], window["novelty"]) == (1, 3, 0.5, 0.25)
    assert predicted["mean"] == [[1.2346, 1.2346]] * 12
    assert predicted["low"] == [[None, None]] * 12
    assert predicted["frequencies_hz"] == [1e6, 2e6]
    assert (predicted["idle"], predicted["idle_below_db"]) == ([[1.2346, 1.2346]] * 12, -84.0)
    assert (verdict["state"], verdict["reasons"]) == ("normal", ["why"])
    assert (gap["reason"], gap["lost_rows"], gap["lost_samples"]) == ("lost", 3, None)
    assert summary == {
        "kind": "summary",
        "rows": 1,
        "windows": 2,
        "forecasts": 1,
        "gaps": 1,
        "rows_lost": 3,
        "windows_discarded": {"lost": 8},
        "seconds": rows(1)[0].duration_ns / SECOND,
        "complete": True,
    }


def test_a_failure_leaves_no_file_and_keeps_the_old_one(tmp_path: Path):
    path = tmp_path / "out.jsonl"
    path.write_text("yesterday's\n")
    with pytest.raises(RuntimeError), Records(path) as records:
        records.take(OUTPUTS[2])
        raise RuntimeError
    assert [p.name for p in tmp_path.iterdir()] == ["out.jsonl"]
    assert path.read_text() == "yesterday's\n"


def test_one_that_was_stopped_says_so(tmp_path: Path):
    with Records(tmp_path / "out.jsonl") as records:
        records.complete = False
    assert read(tmp_path / "out.jsonl")[-1]["complete"] is False


def test_a_full_disk_is_a_failure_in_one_line():
    told = "/dev/full: cannot be written: No space left on device"
    with pytest.raises(Failure, match=told), Records(Path("/dev/full")) as records:
        for _ in range(10_000):
            records.take(OUTPUTS[3])


def test_without_a_path_it_only_counts():
    with Records(None) as records:
        for output in OUTPUTS:
            records.take(output)
    assert records.summary()["windows"] == 2
    assert records.clusters == 1


def test_a_pipe_or_device_is_written_to_as_it_is():
    with Records(Path("/dev/null")) as records:
        records.take(OUTPUTS[2])
    assert Path("/dev/null").is_char_device()


def test_a_folder_that_is_not_there_is_named(tmp_path: Path):
    with pytest.raises(BadInput, match="nowhere/out.jsonl: cannot be written: No such file or directory"):
        Records(tmp_path / "nowhere" / "out.jsonl")
    with pytest.raises(BadInput, match="cannot be written: Is a directory"):
        Records(tmp_path)
