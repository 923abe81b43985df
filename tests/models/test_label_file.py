"""Labels find their recordings and windows; what is wrong with a line is said with its number."""

from pathlib import Path

import numpy as np
import pytest

from bandwatch.models.label_file import LabelFile
from bandwatch.pipeline.errors import BadInput
from bandwatch.pipeline.frames import Window
from bandwatch.pipeline.replay import open_recording
from bandwatch.tests.recorded import levels, write_recording

SECOND = 1_000_000_000


@pytest.fixture
def recordings(tmp_path):
    folders = [tmp_path / "monday", tmp_path / "tuesday"]
    for folder in folders:
        folder.mkdir()
    paths = [folder / name for folder in folders for name in ("a.npy", "b.npy")]
    return [open_recording(write_recording(path, levels())) for path in paths]


def labels(path: Path, *lines: str) -> LabelFile:
    path.write_text("\n".join(lines) + "\n")
    return LabelFile.read(path)


def window(recording, start_s: float, end_s: float) -> Window:
    start_ns, end_ns = (recording.start_ns + round(each * SECOND) for each in (start_s, end_s))
    return Window("node", "band", 0, start_ns, end_ns, 868e6, 1000, np.zeros((1, 1), dtype=np.float32))


def test_a_recording_has_its_label_throughout_and_others_none(tmp_path, recordings):
    file = labels(tmp_path / "labels.csv", "path,label", "monday/a.npy,lora", '"tuesday/a.npy","wi, fi"')
    found, others = file.labels_of(recordings)
    asked = [each.truth_of(window(recordings[0], 1, 2)) for each in found]
    assert [None if truth is None else truth.main_kind for truth in asked] == ["lora", None, "wi, fi", None]
    assert others == 0


def test_paths_are_seen_from_here_from_the_label_file_or_by_their_ends(tmp_path, recordings, monkeypatch):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(tmp_path / "tuesday")
    lines = (
        f"{tmp_path}/monday/b.npy,absolute",
        "../monday/a.npy,beside",
        "a.npy,here",
        "tuesday/b.npy,end",
        "sunday.npy,none",
    )
    found, others = labels(elsewhere / "labels.csv", *lines).labels_of(recordings)
    kinds = [each.stretches[0][2] for each in found]
    assert kinds == ["beside", "absolute", "here", "end"]
    assert others == 1


def test_a_window_has_the_label_it_overlaps_longest(tmp_path, recordings):
    start = "2026-01-31T12:00:0"
    file = labels(
        tmp_path / "labels.csv",
        "Path,Start,End,Label",
        "monday/a.npy,0,2,carrier",
        f"monday/a.npy,{start}2Z,{start}3Z,burst",
        "monday/a.npy,4,4.5,carrier",
    )
    (own, *_), _ = file.labels_of(recordings)

    def asked(start_s, end_s):
        return own.truth_of(window(recordings[0], start_s, end_s))

    assert asked(0, 2.9).main_kind == "carrier"
    assert asked(0, 2.9).kinds == {"carrier", "burst"}
    assert asked(1.6, 4.3).main_kind == "burst"  # 1 s of it, 0.4 + 0.3 s of carrier
    assert asked(1.6, 4.5).main_kind == "burst"
    assert asked(1.2, 4.5).main_kind == "carrier"
    assert asked(3, 4) is None


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (
            ["path,label", "monday/a.npy,lora,1"],
            "line 2: 3 columns; limit: path,label or path,start,",
        ),
        (["monday/a.npy,"], "line 1: no label"),
        (["monday/a.npy,,5,lora"], "line 1: no start; limit: path,start,end,label"),
        (["monday/a.npy," + "x" * 201], "line 1: a label of 201 characters; limit: 200"),
        (["path,label", ""], "no labels; limit: at least 1 line of path,label"),
        (["monday/a.npy,3,2,lora"], "line 1: end is 2; limit: after the start, 3"),
        (["monday/a.npy,0,soon,lora"], "line 1: end: 'soon'; limit: a UTC time"),
        (["monday/a.npy,0,inf,lora"], "line 1: end is inf; limit: a UTC time, or seconds from the start"),
        (["monday/a.npy,x", "monday/a.npy,y"], "line 2: 'monday/a.npy' is 'y' here and 'x' in line 1"),
        (["sunday.npy,x"], "none of its 1 lines names a recording of --data: the first is 'sunday.npy'"),
        (["a.npy,x"], "line 1: 'a.npy' may be "),
        (['"monday/a.npy,x'], "line 1: unexpected end of data"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(tmp_path, recordings, lines, message):
    with pytest.raises(BadInput) as refused:
        labels(tmp_path / "labels.csv", *lines).labels_of(recordings)
    assert str(refused.value).startswith(f"--labels {tmp_path / 'labels.csv'}: ")
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_file_that_is_none(tmp_path):
    with pytest.raises(BadInput, match="cannot be read: No such file"):
        LabelFile.read(tmp_path / "labels.csv")
    (tmp_path / "bytes.csv").write_bytes(b"a.npy,\xff\n")
    with pytest.raises(BadInput, match="byte 6 is not UTF-8"):
        LabelFile.read(tmp_path / "bytes.csv")
