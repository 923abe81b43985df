"""What is appended is what is read, in order, by its number; and the rules of numbers and segments."""

from __future__ import annotations

import threading
from contextlib import ExitStack, closing
from dataclasses import replace
from typing import get_args

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bandwatch.pipeline.frames import POWER_UNITS, Gap, GapReason, PsdFrame
from bandwatch.pipeline.journal import Journal, Note, read_segment, remove_segment, segments
from bandwatch.pipeline.journal_entries import SCHEMA
from bandwatch.tests.jig import rows, same

SECOND = 1_000_000_000
HOLE = Gap("node", "band", 41, 3, None, "source", 1_800_000_000_000_000_000)
NOTE = Note("node", "band", 5, "verdict", {"state": "novel", "score": 0.25})

names = st.text("abcXYZ019._-", min_size=1, max_size=64)
counts = st.integers(0, 2**62 - 1)
frames = st.builds(
    PsdFrame,
    node=names,
    band=names,
    stream=st.integers(0, 2**64 - 1),
    seq=counts,
    time_ns=st.integers(0, 2**61),
    duration_ns=st.integers(1, 2**61 - 1),
    center_hz=st.floats(-1e13, 1e13),
    bin_hz=st.floats(0, 1e12, exclude_min=True),
    power_db=st.lists(st.floats(width=32), min_size=2, max_size=20).map(lambda v: np.array(v, np.float32)),
    unit=st.sampled_from(POWER_UNITS),
    gain_db=st.none() | st.floats(-1000, 1000),
    lost_samples=counts,
)
gaps = st.builds(
    Gap,
    node=names,
    band=names,
    after_seq=st.integers(-1, 2**62 - 1),
    lost_rows=st.none() | counts,
    lost_samples=st.none() | counts,
    reason=st.sampled_from(get_args(GapReason)),
    time_ns=counts,
)
said = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
notes = st.builds(
    Note,
    node=st.just("") | names,
    band=st.just("") | names,
    time_ns=counts,
    kind=st.text(min_size=1).filter(lambda kind: kind not in ("row", "gap")),
    facts=st.dictionaries(st.text(), said, max_size=4),
)
batches = st.lists(
    st.tuples(st.integers(0, 3), st.lists(frames | gaps | notes, max_size=6)), min_size=1, max_size=5
)


@pytest.fixture
def open_journal():
    with ExitStack() as stack:
        yield lambda *args, **given: stack.enter_context(closing(Journal(*args, **given)))


def silent(line: str) -> None:
    raise AssertionError(line)


def read_all(folder, told=silent, after_entry=-1):
    return [each for one in segments(folder) for each in read_segment(one, told, after_entry=after_entry)]


@given(
    batches=batches,
    segment_bytes=st.sampled_from([1, 5000, 10**6]),
    after_entry=st.integers(-1, 40),
)
@settings(max_examples=30, deadline=None)
def test_every_entry_comes_back_to_the_bit_with_its_number(
    tmp_path_factory, batches, segment_bytes, after_entry
) -> None:
    folder = tmp_path_factory.mktemp("journal")
    given = []
    number = 0
    with closing(Journal(folder, segment_bytes=segment_bytes)) as journal:
        for skipped, entries in batches:
            number += skipped
            journal.append(number, entries)
            given += enumerate(entries, number)
            number += len(entries)
            assert same(read_all(folder), given)
    later = [each for each in given if each[0] > after_entry]
    assert same(read_all(folder, after_entry=after_entry), later)
    with closing(Journal(folder)) as again:
        assert again.next_entry == journal.next_entry == (given[-1][0] + 1 if given else 0)


def test_a_row_read_is_a_read_only_view(tmp_path, open_journal) -> None:
    open_journal(tmp_path).append(0, rows(1, bins=64))
    ((_, row),) = read_all(tmp_path)
    with pytest.raises(ValueError, match="read-only"):
        row.power_db[0] = 0


def test_values_given_as_part_of_a_larger_array_are_stored_as_they_are(tmp_path, open_journal) -> None:
    block = np.arange(24, dtype=np.float32).reshape(4, 6)
    frame = replace(rows(1, bins=64)[0], power_db=block[:, 2])
    open_journal(tmp_path).append(0, [HOLE, frame])
    assert read_all(tmp_path)[1][1].power_db.tolist() == [2, 8, 14, 20]


def test_facts_are_what_json_can_say(tmp_path, open_journal) -> None:
    journal = open_journal(tmp_path)
    odd = {"numpy": np.float64(0.5), "pair": (1, 2), "nan": float("nan")}
    journal.append(0, [replace(NOTE, facts=odd)])
    assert read_all(tmp_path)[0][1].facts == {"numpy": 0.5, "pair": [1, 2], "nan": None}
    with pytest.raises(TypeError, match="a ndarray cannot be a fact"):
        journal.append(1, [NOTE, replace(NOTE, facts={"these": np.zeros(2)})])
    for kind in ("row", "gap", ""):
        with pytest.raises(ValueError, match=f"note of kind '{kind}'"):
            journal.append(1, [replace(NOTE, kind=kind)])
    assert len(read_all(tmp_path)) == 1


def test_any_arrow_reader_opens_a_segment_closed_or_not(tmp_path, open_journal) -> None:
    journal = open_journal(tmp_path)
    for start in range(0, 9, 3):
        journal.append(start, [NOTE, HOLE, *rows(1, bins=64)])
    for _ in range(2):
        with pa.OSFile(str(segments(tmp_path)[0].path)) as file:
            table = pa.ipc.open_stream(file).read_all()
        assert table.schema.equals(SCHEMA, check_metadata=True)
        assert table["entry"].to_pylist() == list(range(9))
        assert table["kind"].to_pylist() == ["verdict", "gap", "row"] * 3
        assert [each is None for each in table["power_db"].to_pylist()] == [True, True, False] * 3
        journal.close()


def test_numbers_must_rise_over_restarts_too(tmp_path, open_journal) -> None:
    journal = open_journal(tmp_path)
    journal.append(10, [NOTE, NOTE])
    with pytest.raises(ValueError, match="entry 11 after 11; limit: rising numbers"):
        journal.append(11, [NOTE])
    journal.append(20, [NOTE])
    again = open_journal(tmp_path)
    assert again.next_entry == 21
    with pytest.raises(ValueError, match="entry 20 after 20"):
        again.append(20, [NOTE])
    again.append(21, [NOTE])
    assert [each.first_entry for each in segments(tmp_path)] == [10, 21], "the old segment is left alone"
    assert [number for number, _ in read_all(tmp_path)] == [10, 11, 20, 21]


def test_a_segment_without_an_entry_still_uses_up_its_number(tmp_path, open_journal) -> None:
    (tmp_path / f"{7:020d}.arrows").write_bytes(b"torn")
    (tmp_path / f"{7:020d}.seals").write_bytes(b"")
    assert [each.last_entry for each in segments(tmp_path)] == [-1]
    assert open_journal(tmp_path).next_entry == 8


def test_segments_end_by_size_by_age_and_when_asked(tmp_path, open_journal) -> None:
    now_ns = [0]
    row = rows(1, bins=1024)
    by_size = open_journal(tmp_path / "size", segment_bytes=20_000)
    for number in range(30):
        by_size.append(number, row)
    found = segments(tmp_path / "size")
    assert len(found) == 10, "three rows of some 5.3 kB fit"
    assert all(each.size_bytes < 20_000 + 5 * 48 for each in found)
    assert [each.newest for each in found] == [False] * 9 + [True]
    assert [(each.first_entry, each.last_entry) for each in found][:2] == [(0, 2), (3, 5)]

    by_age = open_journal(tmp_path / "age", segment_seconds=10, monotonic_ns=lambda: now_ns[0])
    for number, at_s in enumerate((0, 9, 10, 19, 20)):
        now_ns[0] = at_s * SECOND
        by_age.append(number, row)
    assert [each.first_entry for each in segments(tmp_path / "age")] == [0, 2, 4]
    by_age.rotate()
    by_age.rotate()
    assert by_age.open_segment is None
    by_age.append(5, row)
    assert [each.first_entry for each in segments(tmp_path / "age")] == [0, 2, 4, 5]


def test_nothing_is_made_before_there_is_something_to_hold(tmp_path, open_journal) -> None:
    journal = open_journal(tmp_path / "new" / "journal")
    journal.append(0, [])
    journal.flush()
    journal.close()
    assert list((tmp_path / "new" / "journal").iterdir()) == []
    assert segments(tmp_path / "nowhere") == []


def test_a_removed_segment_leaves_nothing(tmp_path, open_journal) -> None:
    journal = open_journal(tmp_path)
    journal.append(0, [NOTE])
    journal.rotate()
    journal.append(1, [NOTE])
    first, second = segments(tmp_path)
    remove_segment(first)
    assert segments(tmp_path) == [second]
    second.path.unlink()  # a removal that was stopped half way
    open_journal(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_reader_sees_whole_batches_while_the_writer_appends(tmp_path, open_journal) -> None:
    journal = open_journal(tmp_path, segment_bytes=60_000)
    row = rows(1, bins=64)[0]
    done = threading.Event()

    def write() -> None:
        for start in range(0, 2000, 5):
            journal.append(start, [replace(row, seq=start + each) for each in range(5)])
        done.set()

    writer = threading.Thread(target=write)
    writer.start()
    seen = 0
    readings = 0
    while not done.is_set():
        entries = read_all(tmp_path)
        readings += 1
        assert [number for number, _ in entries] == [row.seq for _, row in entries] == [*range(len(entries))]
        assert len(entries) % 5 == 0
        assert len(entries) >= seen
        seen = len(entries)
    writer.join()
    assert readings > 1
    assert len(read_all(tmp_path)) == 2000
