"""A disk that fills up under `evaluate forecast` and reports: one line, and nothing that only looks whole."""

import resource
from contextlib import contextmanager

import pytest

from bandwatch.agent.cli import main
from bandwatch.explain.report_folder import check_folder, write_report
from bandwatch.pipeline.errors import BadInput
from bandwatch.tests.recorded import levels, write_recording


@contextmanager
def files_no_longer_than(length):
    """Writes beyond fail as on a full disk, with another number: the system's limit on the size of files."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (length, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize(
    ("length", "models", "named"),
    [
        (4_000, "repeat-last", "out.json.work/repeat-last-seed0-"),  # its answers
        (20_000, "lstm", "out.json.work/lstm-seed0-"),  # its checkpoint
        (20_000, "repeat-last", "figures: cannot be written"),
    ],
)
def test_an_evaluation_ends_with_one_line(tmp_path, capsys, length, models, named):
    data = write_recording(tmp_path / "band.npy", levels(200, 6))
    rows = ["--train-rows", "0:140", "--test-rows", "140:200"]
    out = ["--json", tmp_path / "out.json", "--figures", tmp_path / "figures", "--models", models]
    with files_no_longer_than(length), pytest.raises(SystemExit) as left:
        main([str(each) for each in ("evaluate", "forecast", "--data", data, *rows, *out)])
    assert left.value.code == 2
    errors = [line for line in capsys.readouterr().err.splitlines() if line.strip()]
    (line,) = [each for each in errors if "error" in each.lower()]
    assert named in line
    assert line.endswith("cannot be written: File too large")
    there = [path for path in tmp_path.rglob("*") if path.is_file() and path != data]
    assert not (tmp_path / "out.json").exists()
    assert not [path for path in there if path.stat().st_size == length]  # cut where the disk was full
    assert not [path for path in there if path.name.startswith(".")]


def test_a_report_of_before_stays_as_it_was_and_a_new_folder_stays_free(tmp_path):
    old, new = tmp_path / "old", tmp_path / "new"
    write_report(old, {"data": 1}, "<p>1</p>", {"band/a.png": b"1", "band/b.png": b"1"})
    before = {path: path.read_bytes() for path in old.rglob("*") if path.is_file()}
    for folder in (old, new):
        with (
            files_no_longer_than(4_000),
            pytest.raises(BadInput, match=f"--out {folder}: cannot be written: File too large"),
        ):
            write_report(folder, {"data": 2}, "<p>2</p>", {"band/a.png": b"2", "band/b.png": b"2" * 5_000})
    assert {path: path.read_bytes() for path in old.rglob("*") if path.is_file()} == before
    assert not list(new.rglob("*"))
    check_folder(new)
    write_report(old, {"data": 2}, "<p>2</p>", {"band/a.png": b"2"})
    assert sorted(path.name for path in old.rglob("*")) == ["a.png", "band", "report.html", "report.json"]
