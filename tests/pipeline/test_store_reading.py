"""A store is read while it changes, by others too, and in parts."""

from __future__ import annotations

import itertools
import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.dataset
import pytest

from bandwatch.pipeline import store_reading
from bandwatch.pipeline.errors import BadInput
from bandwatch.pipeline.frames import Gap, PsdFrame
from bandwatch.pipeline.journal import Entry, Note
from bandwatch.pipeline.replay import open_recording
from bandwatch.pipeline.store import stored_events, stored_rows
from bandwatch.tests.jig import same
from bandwatch.tests.store_made import (
    DAY,
    HOUR,
    START_NS,
    Clocks,
    close_stores,
    events_of,
    nobody,
    opened,
    record,
    row,
    rows_of,
    story,
    tidy_all,
)


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(os, "fsync", lambda _: None)
    yield
    close_stores()


@pytest.fixture
def stored(tmp_path):
    """A store of everything: merged days, parts, closed segments that are still needed, an open one."""
    entries, clocks = story(500), Clocks(START_NS + 2 * DAY)
    store = opened(tmp_path, clocks)
    record(store, entries[:400])
    tidy_all(store, clocks)
    record(store, entries[400:])
    tidy_all(store, clocks, keep_from=entries[420][0])
    return tmp_path, entries, store


def test_the_newest_rows_of_a_band_come_oldest_first_with_the_gaps_among_them(stored):
    _, entries, store = stored
    of_band = rows_of(entries, "attic", "srd")
    places = [place for place, (_, item) in enumerate(of_band) if isinstance(item, PsdFrame)]
    for most in (1, 3, 40, 41, 100, len(places), 10_000):
        wanted = of_band[places[-most - 1] + 1 :] if most < len(places) else of_band
        assert same(list(store.last_rows("attic", "srd", most)), wanted), most
    assert not list(store.last_rows("attic", "nothing", 10))


def test_a_part_is_read_by_time_band_and_kind(stored):
    directory, entries, _ = stored
    since_ns, until_ns = START_NS + 7 * HOUR, START_NS + 55 * HOUR

    def within(entry: Entry) -> bool:
        return since_ns <= entry.time_ns < until_ns

    rows = stored_rows(directory, since_ns=since_ns, until_ns=until_ns, band="srd", told=nobody)
    found = [number for number, each in rows if isinstance(each, PsdFrame)]
    assert found == [
        number
        for number, each in entries
        if isinstance(each, PsdFrame) and each.band == "srd" and within(each)
    ]
    events = stored_events(
        directory, since_ns=since_ns, until_ns=until_ns, node="attic", kinds=["gap"], told=nobody
    )
    wanted = [(n, e) for n, e in events_of(entries) if e.kind == "gap" and e.node == "attic" and within(e)]
    assert wanted
    assert same(list(events), wanted)


def test_gaps_come_with_the_row_they_stand_before(tmp_path):
    long_ago = Gap("attic", "srd", 4, None, None, "restart", START_NS)
    entries = [(0, row(4, START_NS)), (1, long_ago), (2, row(5, START_NS + 9 * DAY))]
    store, clocks = opened(tmp_path), Clocks(START_NS)
    record(store, entries)
    for _ in range(2):
        assert same(list(stored_rows(tmp_path, since_ns=START_NS + DAY, told=nobody)), entries[1:])
        assert same(list(stored_rows(tmp_path, until_ns=START_NS, told=nobody)), [])
        store.journal.rotate()
        tidy_all(store, clocks)


@pytest.mark.parametrize("read", ["rows", "events"])
def test_nothing_is_missed_or_read_twice_while_files_go_under_the_reader(tmp_path, monkeypatch, read):
    """Between any two items something happens: a piece of compaction or merging, another start."""
    entries, clocks = story(240), Clocks(START_NS + 100 * DAY)
    store = opened(tmp_path, clocks)
    record(store, entries, a_segment=30)
    looks = itertools.count()
    real = store_reading.listing
    monkeypatch.setattr(store_reading, "listing", lambda directory: (next(looks), real(directory))[1])
    reader = stored_rows if read == "rows" else stored_events
    found = []
    for item in reader(tmp_path, told=nobody):
        found.append(item)
        store.tidy(2**62, seconds=0)
    assert same(found, rows_of(entries) if read == "rows" else events_of(entries))
    assert next(looks) > 1, "nothing vanished: nothing is proven"


def test_there_is_no_store(tmp_path):
    with pytest.raises(BadInput, match=f"{tmp_path}: no store here"):
        stored_events(tmp_path, told=nobody)
    with pytest.raises(BadInput, match=f"{tmp_path}: no store here"):
        stored_rows(tmp_path, told=nobody)


def test_any_tool_reads_the_folders_as_tables(stored):
    directory, entries, store = stored
    store.journal.rotate()
    tidy_all(store, Clocks(START_NS))
    rows = [(n, e) for n, e in entries if isinstance(e, PsdFrame)]
    table = (
        pa.dataset.dataset(directory / "rows")
        .to_table(columns=["entry", "band", "seq", "power_db"])
        .sort_by("entry")
    )
    assert table["entry"].to_pylist() == [number for number, _ in rows]
    assert table["seq"].to_pylist() == [each.seq for _, each in rows]
    power = np.stack(table["power_db"].combine_chunks().flatten().to_numpy().reshape(-1, 16))
    np.testing.assert_array_equal(power, [each.power_db for _, each in rows])
    events = pa.dataset.dataset(directory / "events").to_table().sort_by("entry")
    assert events["kind"].to_pylist() == [each.kind for _, each in events_of(entries)]


def test_a_stored_day_is_a_recording(tmp_path):
    clocks = Clocks(START_NS + 3 * DAY)
    gaps = {n: Gap("attic", "srd", n - 1, 2, None, "lost", START_NS + n * HOUR) for n in (4, 9, 40)}
    entries: list[tuple[int, Entry]] = [(n, gaps.get(n) or row(n, START_NS + n * HOUR)) for n in range(60)]
    entries.append((60, Note("", "", START_NS, "stopped", {})))
    store = opened(tmp_path, clocks)
    record(store, entries, a_segment=7)
    store.journal.rotate()
    tidy_all(store, clocks)
    (day,) = (tmp_path / "rows/attic/srd/2026-02-17").iterdir()
    recording = open_recording(day)
    found = list(recording)
    wanted = [each for _, each in entries[24:48]]
    assert (recording.node, recording.band, recording.rows) == ("attic", "srd", 23)
    assert [type(each) for each in found] == [type(each) for each in wanted]
    for each, other in zip(found, wanted, strict=True):
        assert each.time_ns == other.time_ns
        if isinstance(each, PsdFrame):
            assert (each.seq, each.gain_db, each.unit) == (other.seq, other.gain_db, other.unit)
            assert each.power_db.tobytes() == other.power_db.tobytes()
        else:
            assert same(each, other)


def test_a_name_does_not_lead_out_of_the_store(tmp_path):
    directory = tmp_path / "store"
    entries = [(0, row(0, START_NS, node="../..", band="/etc")), (1, row(1, START_NS, node="", band="é b"))]
    store = opened(directory)
    record(store, entries, a_segment=9)
    store.journal.rotate()
    tidy_all(store, Clocks(START_NS))
    assert [each.name for each in tmp_path.iterdir()] == ["store"]
    assert len(list(Path(directory).rglob("rows/*/*/*/*.parquet"))) == 2
    assert same(list(stored_rows(directory, told=nobody)), entries)
    assert same(list(stored_rows(directory, node="../..", band="/etc", told=nobody)), entries[:1])
