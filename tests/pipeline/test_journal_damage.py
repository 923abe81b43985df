"""Bytes of a journal that change or are gone: what is read was written, and the rest is told."""

from __future__ import annotations

import random
import shutil
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest

from bandwatch.pipeline.frames import Gap
from bandwatch.pipeline.journal import Journal, read_segment, segments
from bandwatch.pipeline.journal_seals import SEAL_BYTES
from bandwatch.tests.journals import assert_true, batch, entry_of, read_all


@pytest.fixture(scope="module")
def small(tmp_path_factory) -> Path:
    """Two segments; the first has batches 0-2, 3-4 and 5-7, the second entry 8."""
    folder = tmp_path_factory.mktemp("small")
    with closing(Journal(folder)) as journal:
        for first, entries in ((0, 3), (3, 2), (5, 3)):
            journal.append(first, batch(first, entries))
        journal.rotate()
        journal.append(8, batch(8, 1))
    return folder


@contextmanager
def changed(path: Path, content: bytes):
    before = path.read_bytes()
    path.write_bytes(content)
    try:
        yield
    finally:
        path.write_bytes(before)


@pytest.fixture
def given_to_arrow(monkeypatch) -> set[bytes]:
    """Whatever Arrow is asked to read: it may end the process at damaged bytes."""
    given: set[bytes] = set()
    read = pa.ipc.read_record_batch

    def noted(message, schema):
        given.add(message.to_pybytes())
        return read(message, schema)

    monkeypatch.setattr(pa.ipc, "read_record_batch", noted)
    return given


def positions(content: bytes, name: str) -> list[int]:
    """Every byte of an index; of data, where all bytes are treated alike, some."""
    step = 1 if name == "seals" else 31
    return [*range(0, len(content), step), len(content) - 1]


@pytest.mark.parametrize("name", ["arrows", "seals"])
@pytest.mark.parametrize("newest", [False, True])
def test_no_flipped_byte_makes_a_wrong_entry_or_goes_untold(small, name, newest, given_to_arrow) -> None:
    segment = replace(segments(small)[0], newest=newest)
    path = segment.path.with_suffix(f".{name}")
    content = path.read_bytes()
    random_ = random.Random(1)
    outcomes: set[tuple[int, ...]] = set()
    for position in positions(content, name):
        flipped = bytearray(content)
        flipped[position] ^= random_.randrange(1, 256)
        told: list[str] = []
        with changed(path, bytes(flipped)):
            entries = list(read_segment(segment, told.append))
        assert_true(entries)
        outcomes.add(tuple(number for number, _ in entries))
        in_last_seal = name == "seals" and position >= len(content) - SEAL_BYTES
        if in_last_seal:
            expected = [] if newest else [f"{path.with_suffix('.arrows')}: ends in the middle of a batch"]
            assert [line.split(": 0 sealed")[0] for line in told] == expected
        else:
            (line,) = told
            assert f"damaged: {8 - len(entries)} of its 8 entries are missing (1 messages)" in line
    whole = segment.path.read_bytes()
    assert len(given_to_arrow) == 3
    assert all(message in whole for message in given_to_arrow)
    # The schema's message is only for other readers: without it nothing is missing.
    without_a_batch = {(3, 4, 5, 6, 7), (0, 1, 2, 5, 6, 7), (0, 1, 2, 3, 4)}
    assert outcomes == without_a_batch | {tuple(range(8))}


@pytest.mark.parametrize("name", ["arrows", "seals"])
def test_cut_anywhere_it_reads_as_whole_batches_up_to_there(small, name) -> None:
    segment = segments(small)[0]
    path = segment.path.with_suffix(f".{name}")
    content = path.read_bytes()
    lengths: list[int] = []
    for length in positions(content, name):
        with changed(path, content[:length]):
            told: list[str] = []
            entries = list(read_segment(segment, told.append))
            assert list(read_segment(replace(segment, newest=True), told.append)) is not None
            assert segments(small)[0].last_entry == (entries[-1][0] if entries else -1)
        assert_true(entries)
        assert len(entries) in (0, 3, 5)
        (line,) = told
        assert line.startswith(f"{segment.path}: ends in the middle of a batch: ")
        missing = 0 if name == "seals" else 8 - len(entries)
        assert line.endswith(f": {missing} sealed entries are missing")
        lengths.append(len(entries))
    assert lengths == sorted(lengths)
    assert set(lengths) == {0, 3, 5}


def test_zeros_after_a_power_cut_are_no_entries(small) -> None:
    segment = segments(small)[0]
    index = segment.path.with_suffix(".seals")
    data = segment.path.read_bytes()
    for seals in (index.read_bytes() + bytes(500), index.read_bytes()):
        with changed(index, seals), changed(segment.path, data + bytes(4096)):
            told: list[str] = []
            assert len(list(read_segment(segment, told.append))) == 8
            assert told == [f"{segment.path}: ends in the middle of a batch: 0 sealed entries are missing"]
            assert segments(small)[0].last_entry == 7


def test_records_that_come_twice_give_no_entry_twice(small) -> None:
    segment = segments(small)[0]
    index = segment.path.with_suffix(".seals")
    seals = index.read_bytes()
    for again in (seals * 2, seals[: 2 * SEAL_BYTES] + seals):
        with changed(index, again):
            entries = list(read_segment(segment, [].append))
        assert [number for number, _ in entries] == list(range(8))


def test_data_without_its_index_is_not_believed(small, tmp_path) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(small, folder)
    index = segments(folder)[0].path.with_suffix(".seals")
    index.unlink()
    entries, told = read_all(folder)
    assert [number for number, _ in entries] == [8]
    assert told == [f"{index}: No such file or directory: nothing of this segment can be read"]
    with closing(Journal(folder)) as journal:
        assert journal.next_entry == 9


def test_several_damaged_batches_are_one_line(small) -> None:
    segment = segments(small)[0]
    data = bytearray(segment.path.read_bytes())
    seals = bytearray(segment.path.with_suffix(".seals").read_bytes())
    data[-1] ^= 1
    seals[SEAL_BYTES + 5] ^= 1
    told: list[str] = []
    with changed(segment.path, bytes(data)), changed(segment.path.with_suffix(".seals"), bytes(seals)):
        assert [number for number, _ in read_segment(segment, told.append)] == [3, 4]
        assert told == [f"{segment.path}: damaged: 6 of its 8 entries are missing (2 messages)"]
        told.clear()
        assert [number for number, _ in read_segment(segment, told.append, after_entry=3)] == [4]
        assert told == [f"{segment.path}: damaged: 3 of its 8 entries are missing (2 messages)"]


def test_an_entry_beyond_the_limits_is_left_out_alone(tmp_path) -> None:
    with closing(Journal(tmp_path)) as journal:
        journal.append(
            0, [entry_of(0), replace(entry_of(0), bin_hz=-1.0), Gap("n", "b", 0, -3, 0, "lost", 1)]
        )
        journal.append(3, batch(3, 2))
    entries, told = read_all(tmp_path)
    assert [number for number, _ in entries] == [0, 3, 4]
    (line,) = told
    assert "damaged: 2 of its 5 entries are missing (0 messages): row: Expected `float` > 0.0" in line
