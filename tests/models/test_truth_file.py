"""The truth that the simulator wrote says of each window what the simulator itself would."""

import json

import pytest

from bandwatch.models.training_windows import cut_windows
from bandwatch.models.truth_file import read_truth
from bandwatch.models.window_truth import truth_of
from bandwatch.pipeline.errors import BadInput
from bandwatch.pipeline.replay import open_recording
from bandwatch.pipeline.simulated_recording import write_recording
from bandwatch.pipeline.simulator import Simulator

GOOD = {
    "kind": "lora",
    "start": "2026-01-01T00:00:00Z",
    "end": "2026-01-01T00:00:01Z",
    "low_hz": 868.0e6,
    "high_hz": 868.1e6,
    "power_db": 10,
}


def test_windows_of_a_file_have_the_simulators_truth(tmp_path):
    write_recording(Simulator(5), tmp_path / "band.npy", 3000, truth_path=tmp_path / "truth.jsonl")
    simulator = Simulator(5)
    simulator.block(3000)
    file = read_truth(tmp_path / "truth.jsonl")
    kinds = set()
    for window in cut_windows(open_recording(tmp_path / "band.npy"), 128):
        truth = file.truth_of(window)
        assert truth == truth_of(window, simulator.truth)
        kinds.add(truth.main_kind)
    assert len(kinds) > 3


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "line 2: is not JSON"),
        ("[1]", "line 2: a list; limit: an object"),
        (json.dumps(GOOD | {"kind": 3}), "line 2: kind is 3; limit: a text"),
        (json.dumps(GOOD | {"low_hz": None}), "line 2: low_hz is None; limit: a number"),
        (json.dumps(GOOD | {"power_db": float("nan")}), "line 2: power_db is nan; limit: a number"),
        (json.dumps(GOOD | {"start": "noon"}), "line 2: start: 'noon'; limit: a UTC time"),
        (json.dumps(GOOD | {"end": "2025-01-01T00:00:00Z"}), "line 2: end is 2025-01-01T00:00:00Z; limit"),
    ],
)
def test_a_line_that_is_none(tmp_path, line, message):
    path = tmp_path / "truth.jsonl"
    path.write_text(f"{json.dumps(GOOD | {'more': 1})}\n{line}\n")
    with pytest.raises(BadInput) as refused:
        read_truth(path)
    assert str(refused.value).startswith(f"--truth {path}: {message}")


WINDOW = {"segment": 1, "start_ns": 5, "kind": "lora", "shown": ["lora"]}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"segment": -1}, "line 2: segment is -1; limit: a whole number from 0"),
        ({"start_ns": 1.5}, "line 2: start_ns is 1.5; limit: a whole number from 0"),
        ({"kind": ""}, "line 2: kind is ''; limit: a text"),
        ({"shown": "lora"}, "line 2: shown is 'lora'; limit: a list of texts"),
    ],
)
def test_a_line_that_is_no_window(tmp_path, changes, message):
    path = tmp_path / "windows.jsonl"
    path.write_text(f"{json.dumps(WINDOW)}\n{json.dumps(WINDOW | changes)}\n")
    with pytest.raises(BadInput) as refused:
        read_truth(path)
    assert str(refused.value).startswith(f"--truth {path}: {message}")


def test_windows_have_the_truth_of_their_own_line_or_none(tmp_path):
    write_recording(Simulator(5), tmp_path / "band.npy", 3000)
    windows = list(cut_windows(open_recording(tmp_path / "band.npy"), 64))
    told = [window for window in windows if window.segment != 3][::2]
    lines = [
        {"segment": each.segment, "start_ns": each.start_ns + 90_000_000, "kind": f"{n}", "shown": ["x"]}
        for n, each in enumerate(told)
    ]  # rows last 200 ms: less than half of one away
    path = tmp_path / "windows.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    file = read_truth(path)
    names = {(each.segment, each.start_ns): f"{n}" for n, each in enumerate(told)}
    for window in windows:
        truth = file.truth_of(window)
        assert (truth.main_kind if truth else None) == names.get((window.segment, window.start_ns))
