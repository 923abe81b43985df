"""What a store lets go of, and when: by bytes, by days, for free space; never by a clock that leaps."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from types import SimpleNamespace

import pyarrow as pa
import pyarrow.dataset
import pytest

from bandwatch.pipeline.errors import BadInput
from bandwatch.pipeline.journal import Entry, Note
from bandwatch.pipeline.store import Store, stored_events, stored_rows
from bandwatch.pipeline.store_layout import listing
from bandwatch.pipeline.store_version import bring_up_to_date, stored_version
from bandwatch.tests.store_made import (
    DAY,
    HOUR,
    SECOND,
    START_NS,
    Clocks,
    assert_holds,
    close_stores,
    nobody,
    opened,
    record,
    row,
    story,
    tidy_all,
)

MINUTE = 60 * SECOND


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(os, "fsync", lambda _: None)
    yield
    close_stores()


def days_of(directory: Path, kind: str = "rows/attic/srd") -> list[str]:
    folder = directory / kind
    return sorted(each.name[-2:] for each in folder.iterdir()) if folder.exists() else []


def ten_days(store: Store, bins: int = 1024, a_segment: int = 20) -> list[tuple[int, Entry]]:
    """Ten days from the 16th on, 20 entries each: rows and a note."""
    entries: list[tuple[int, Entry]] = []
    for number in range(200):
        time_ns = START_NS + number * DAY // 20
        note = Note("attic", "srd", time_ns, "verdict", {"segment": number})
        entries.append((number, note if number % 20 == 7 else row(number, time_ns, bins=bins)))
    record(store, entries, a_segment)
    return entries


def test_beyond_most_bytes_the_oldest_goes_rows_before_events_of_the_same_day(tmp_path):
    clocks = Clocks(START_NS + 20 * DAY)
    store = opened(tmp_path, clocks)
    entries = ten_days(store)
    tidy_all(store, clocks)
    limit = store.bytes - 100_000  # a day's rows are about 75 kB
    store.close()
    store = opened(tmp_path, clocks, most_bytes=limit)
    tidy_all(store, clocks)
    assert store.bytes <= limit
    assert days_of(tmp_path) == [str(day) for day in range(18, 26)]
    assert days_of(tmp_path, "events") == [str(day) for day in range(17, 26)]
    left = [number for number, _ in stored_rows(tmp_path, told=nobody)]
    assert left == [number for number, entry in entries if number >= 40 and number % 20 != 7]


def test_a_day_that_ended_more_than_most_days_ago_goes_once_the_clock_is_trusted(tmp_path):
    clocks = Clocks(START_NS + 7 * DAY + HOUR)
    store = opened(tmp_path, clocks, most_days=4)
    ten_days(store)
    tidy_all(store, clocks)
    clocks.wait(9 * MINUTE)
    tidy_all(store, clocks)
    assert days_of(tmp_path)[0] == "16", "not before ten minutes"
    clocks.wait(MINUTE)
    tidy_all(store, clocks)
    assert days_of(tmp_path) == [str(day) for day in range(19, 25)], "those of the future make none older"
    clocks.wait(DAY)
    tidy_all(store, clocks)
    assert days_of(tmp_path)[0] == "20"


def test_a_clock_that_leaps_makes_nothing_old_until_it_has_been_steady(tmp_path):
    clocks = Clocks(START_NS + 10 * DAY)
    store = opened(tmp_path, clocks, most_days=30)
    entries = ten_days(store)
    for _ in range(3):
        clocks.wait(11 * MINUTE)
        clocks.utc_ns += 40 * 365 * DAY
        tidy_all(store, clocks)
        clocks.wait(9 * MINUTE)
        tidy_all(store, clocks)
        clocks.utc_ns -= 40 * 365 * DAY
        tidy_all(store, clocks)
    assert_holds(tmp_path, entries)
    clocks.utc_ns += 25 * DAY
    tidy_all(store, clocks)
    for _ in range(6):
        assert days_of(tmp_path)[0] == "16"
        clocks.wait(100 * SECOND)
        tidy_all(store, clocks)
    assert days_of(tmp_path)[0] == "21"


def test_rows_dated_decades_ahead_do_not_outlive_those_that_came_after_them(tmp_path):
    clocks = Clocks(START_NS + 3 * DAY)
    store = opened(tmp_path, clocks)
    entries = [(0, row(0, START_NS + 90 * 365 * DAY)), (1, row(1, START_NS)), (2, row(2, START_NS + DAY))]
    record(store, entries, a_segment=1)
    store.journal.rotate()
    tidy_all(store, clocks)
    store.make_room(1)
    assert [number for number, _ in stored_rows(tmp_path, told=nobody)] == [1, 2]


def test_room_is_made_for_others_and_the_journal_goes_last(tmp_path, monkeypatch):
    """The disk is a made-up one: of a size, and full of the store and what others have put there."""
    size, others = 4_000_000, [0]

    def usage(path):
        used = others[0] + sum(each.stat().st_size for each in tmp_path.rglob("*") if each.is_file())
        return SimpleNamespace(total=size, used=used, free=size - used)

    clocks = Clocks(START_NS + 20 * DAY)
    store = opened(tmp_path, clocks, keep_free_bytes=1_000_000)
    monkeypatch.setattr(shutil, "disk_usage", usage)
    entries = ten_days(store)
    tidy_all(store, clocks, keep_from=100)
    assert_holds(tmp_path, entries)
    others[0] = usage(None).free - 900_000
    tidy_all(store, clocks, keep_from=100)
    assert 1_000_000 <= usage(None).free < 1_200_000
    assert days_of(tmp_path)[0] == "18"
    assert len(listing(tmp_path).segments) == 5
    assert [number for number, _ in store.entries_after(99)] == list(range(100, 200)), "for a restart"
    others[0] += 10**9
    tidy_all(store, clocks, keep_from=100)
    left = listing(tmp_path)
    assert [each.path for each in left.segments] == [store.journal.open_segment]
    assert not left.files
    assert store.make_room(1) == 0
    store.close()
    assert opened(tmp_path, clocks).next_entry == 200


def test_make_room_frees_what_is_wanted_and_says_how_much(tmp_path):
    clocks = Clocks(START_NS + 20 * DAY)
    store = opened(tmp_path, clocks)
    ten_days(store)
    tidy_all(store, clocks)
    before = store.bytes
    freed = store.make_room(100_000)
    assert 100_000 <= freed < 200_000
    assert store.bytes == before - freed
    store.make_room(10**9)
    store.journal.rotate()
    tidy_all(store, clocks)
    store.make_room(10**9)
    store.close()
    assert opened(tmp_path, clocks).next_entry == 200, "numbers go on rising when nearly everything is gone"


def test_a_damaged_file_is_told_of_and_set_aside_and_the_rest_goes_on(tmp_path):
    clocks, lines = Clocks(START_NS + HOUR), list[str]()
    store = opened(tmp_path, clocks, told=lines.append)
    entries = ten_days(store, bins=16, a_segment=5)
    tidy_all(store, clocks)
    victims = [each.path for each in listing(tmp_path).files if each.day.endswith("18")][:2]
    for victim in victims:
        content = bytearray(victim.read_bytes())
        content[len(content) // 3] ^= 1
        victim.write_bytes(content)
    heard: list[str] = []
    wanted = [n for n, e in entries if not isinstance(e, Note)]
    found = [n for n, _ in stored_rows(tmp_path, told=heard.append)]
    assert set(found) < set(wanted)
    assert found == sorted(found)
    assert len(heard) == len([each for each in victims if "rows" in str(each)]) > 0
    assert all("damaged" in line and line.count("\n") == 0 for line in heard)
    assert not lines
    clocks.wait(20 * DAY)
    tidy_all(store, clocks)
    assert len(lines) == 2
    assert all(any(str(victim) in line for line in lines) for victim in victims)
    assert all(
        not victim.exists() and victim.with_name(f"_{victim.name}.damaged").exists() for victim in victims
    )
    assert [n for n, _ in stored_rows(tmp_path, told=nobody)] == found
    in_files = pa.dataset.dataset(tmp_path / "rows").to_table(columns=["entry"])["entry"].to_pylist()
    assert set(in_files) <= set(found), "other readers pass over it"
    store.make_room(10**9)
    assert not list(tmp_path.rglob("*.damaged")), "what is set aside counts, and goes with the rest"


def test_what_can_be_read_of_a_damaged_segment_is_kept_and_told(tmp_path):
    clocks, lines = Clocks(START_NS), list[str]()
    store = opened(tmp_path, clocks, told=lines.append)
    entries = story(100)
    record(store, entries, a_segment=100)
    store.journal.rotate()
    segment = listing(tmp_path).segments[0].path
    content = bytearray(segment.read_bytes())
    content[len(content) // 2] ^= 1
    segment.write_bytes(content)
    tidy_all(store, clocks)
    assert len(lines) == 1
    assert "entries are missing" in lines[0]
    numbers = [n for n, _ in stored_rows(tmp_path, told=nobody)]
    numbers += [n for n, each in stored_events(tmp_path, told=nobody) if each.kind != "gap"]
    assert 80 < len(numbers) < 100
    assert set(numbers) < {n for n, _ in entries}
    assert not listing(tmp_path).segments


def test_a_failing_disk_is_told_and_tried_again_a_minute_later(tmp_path, monkeypatch):
    clocks = Clocks(START_NS)
    store = opened(tmp_path, clocks)
    entries = story(30)
    record(store, entries, a_segment=10)
    with monkeypatch.context() as broken:
        broken.setattr(os, "replace", _raise(5, "Input/output error"))
        with pytest.raises(OSError, match="Input/output error"):
            store.tidy(2**62)
        assert store.tidy(2**62) is False, "not again at once"
        clocks.wait(61 * SECOND)
        broken.setattr(os, "replace", _raise(28, "No space left on device"))
        assert store.tidy(2**62) is False, "a full disk is told of elsewhere"
    assert not list(tmp_path.rglob("*.part"))
    assert_holds(tmp_path, entries)
    clocks.wait(61 * SECOND)
    tidy_all(store, clocks)
    assert len(listing(tmp_path).segments) == 1
    assert_holds(tmp_path, entries)


def _raise(number: int, words: str):
    def do(*_arguments, **_options):
        raise OSError(number, words)

    return do


def test_a_store_of_a_later_version_is_refused_and_an_older_one_migrated(tmp_path):
    opened(tmp_path).close()
    assert (tmp_path / "store.yaml").read_text() == "version: 1\n"
    (tmp_path / "store.yaml").write_text("version: 2\n")
    refusal = r"store version 2; limit: 1, that of this bandwatch"
    with pytest.raises(BadInput, match=refusal):
        opened(tmp_path)
    with pytest.raises(BadInput, match=refusal):
        stored_events(tmp_path, told=nobody)
    (tmp_path / "store.yaml").write_text("version: one\n")
    with pytest.raises(BadInput, match=r"store\.yaml: version one; limit: a whole number"):
        opened(tmp_path)

    (tmp_path / "store.yaml").write_text("version: 1\n")
    steps: list[str] = []

    def first(directory: Path) -> None:
        steps.append(f"{directory.name} from {stored_version(directory)}")
        if len(steps) == 1:
            raise KeyboardInterrupt  # killed on the way

    def second(directory: Path) -> None:
        steps.append(f"{directory.name} from {stored_version(directory)}")

    with pytest.raises(KeyboardInterrupt):
        bring_up_to_date(tmp_path, 3, {1: first, 2: second})
    bring_up_to_date(tmp_path, 3, {1: first, 2: second})
    bring_up_to_date(tmp_path, 3, {1: first, 2: second})
    name = tmp_path.name
    assert steps == [f"{name} from 1", f"{name} from 1", f"{name} from 2"]
    assert stored_version(tmp_path) == 3
    with pytest.raises(BadInput, match="store version 3; limit: 4, and no way leads there"):
        bring_up_to_date(tmp_path, 4, {})
