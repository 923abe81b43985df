"""A store gives back what went in: all of it, in order, nothing twice, whatever it has made of it since."""

from __future__ import annotations

import itertools
import os
import random
import shutil
import signal
import time
from pathlib import Path

import pytest

from bandwatch.pipeline.frames import Gap
from bandwatch.pipeline.journal import Entry, Note
from bandwatch.pipeline.store_layout import listing
from bandwatch.tests.store_made import (
    DAY,
    HOUR,
    SECOND,
    START_NS,
    Clocks,
    assert_holds,
    close_stores,
    opened,
    record,
    row,
    story,
    tidy_all,
)


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """What a killed process leaves does not depend on the disk; stores are closed in the end."""
    monkeypatch.setattr(os, "fsync", lambda _: None)
    yield
    close_stores()


def parquet_files(directory: Path) -> list[str]:
    return sorted(str(each.relative_to(directory)) for each in directory.rglob("*.parquet"))


def test_what_went_in_comes_out_from_the_journal_from_files_and_from_merged_days(tmp_path):
    entries, clocks = story(600), Clocks(START_NS)
    store = opened(tmp_path, clocks)
    record(store, entries)
    assert_holds(tmp_path, entries)
    assert not parquet_files(tmp_path)
    tidy_all(store, clocks, keep_from=0)
    assert_holds(tmp_path, entries)
    parts = parquet_files(tmp_path)
    assert parts
    assert len(listing(tmp_path).segments) == 15, "what is still needed after a restart is kept"
    tidy_all(store, clocks)
    assert_holds(tmp_path, entries)
    assert len(listing(tmp_path).segments) == 1, "the open one"
    clocks.wait(100 * DAY)
    tidy_all(store, clocks)
    assert_holds(tmp_path, entries)
    merged = parquet_files(tmp_path)
    assert len(merged) < len(parts) * 2 / 3
    assert store.bytes == sum(each.stat().st_size for each in tmp_path.rglob("*.*") if each.name[0] != "s")
    store.close()
    again = opened(tmp_path, clocks)
    assert again.next_entry == entries[-1][0] + 1
    tidy_all(again, clocks)
    assert not listing(tmp_path).segments
    assert_holds(tmp_path, entries)
    again.close()
    assert opened(tmp_path, clocks).next_entry == entries[-1][0] + 1


def test_days_are_merged_two_hours_after_they_end_and_again_for_late_rows(tmp_path):
    clocks = Clocks(START_NS + DAY + 2 * HOUR - SECOND)
    store = opened(tmp_path, clocks)
    entries: list[tuple[int, Entry]] = [(n, row(n, START_NS + n * HOUR)) for n in range(48)]

    def ranges(day: str) -> list[str]:
        return [each.name for each in sorted((tmp_path / "rows/attic/srd" / day).iterdir())]

    record(store, entries, a_segment=4)
    tidy_all(store, clocks)
    assert len(ranges("2026-02-16")) == 6
    clocks.wait(SECOND)
    tidy_all(store, clocks)
    assert ranges("2026-02-16") == [f"{0:020d}-{23:020d}.parquet"]
    assert len(ranges("2026-02-17")) == 5, "the last of them is still in the journal"
    late = [(48, row(90, START_NS + HOUR)), (49, row(91, START_NS + 30 * HOUR))]
    record(store, late[:1])
    record(store, late[1:])
    tidy_all(store, clocks)
    assert len(ranges("2026-02-16")) == 2, "as long as more may come for that day it is left"
    store.journal.rotate()
    tidy_all(store, clocks)
    assert ranges("2026-02-16") == [f"{0:020d}-{48:020d}.parquet"]
    assert_holds(tmp_path, entries + late)


def test_a_merged_file_has_a_limit(tmp_path, monkeypatch):
    monkeypatch.setattr("bandwatch.pipeline.store.MERGED_BYTES", 100_000)
    clocks = Clocks(START_NS + 9 * DAY)
    entries: list[tuple[int, Entry]] = [(n, row(n, START_NS + n * SECOND, bins=1024)) for n in range(100)]
    entries.append((100, row(100, START_NS + 5 * DAY)))
    store = opened(tmp_path, clocks)
    record(store, entries, a_segment=10)
    store.journal.rotate()
    tidy_all(store, clocks)
    sizes = [each.size_bytes for each in listing(tmp_path).files][:-1]
    assert len(sizes) < 8
    assert max(sizes) < 110_000
    before = parquet_files(tmp_path)
    tidy_all(store, clocks)
    assert parquet_files(tmp_path) == before, "nothing is written again and again"
    assert_holds(tmp_path, entries)


def test_work_is_done_a_little_at_a_time_and_can_be_left_at_any_point(tmp_path):
    entries, clocks = story(1200, step_ns=60 * SECOND), Clocks(START_NS + 9 * DAY)
    store = opened(tmp_path, clocks)
    record(store, entries, a_segment=600)
    pieces = 0
    for patience in itertools.count(1):
        worked = sum(store.tidy(2**62, seconds=0) for _ in range(patience))  # one piece a call
        pieces += worked
        assert_holds(tmp_path, entries)
        store.close()
        if worked < patience:
            break
        store = opened(tmp_path, clocks)
    assert pieces > 20
    assert not list(tmp_path.rglob("*.part"))


def test_a_kill_at_every_file_operation_of_compaction_and_merge_loses_nothing(tmp_path):
    """A child dies by SIGKILL just before its n-th rename or unlink, for every n."""
    clocks = Clocks(START_NS + 100 * DAY)
    entries: list[tuple[int, Entry]] = [
        (0, row(0, START_NS)),
        (1, Gap("attic", "srd", 0, 3, None, "lost", START_NS + SECOND)),
        (3, Note("", "", START_NS + SECOND, "reloaded", {})),
        (4, row(4, START_NS + HOUR)),
        (5, row(5, START_NS + DAY)),
        (6, Gap("attic", "srd", 0, 3, None, "clock", START_NS + DAY)),
        (9, row(6, START_NS + 2 * DAY)),
        (10, Gap("attic", "srd", 6, 3, None, "clock", START_NS + 2 * DAY)),
    ]
    store = opened(tmp_path / "recorded", clocks)
    record(store, entries, a_segment=3)
    store.close()
    for operation in itertools.count():
        directory = tmp_path / str(operation)
        shutil.copytree(tmp_path / "recorded", directory)
        died = _tidied_by_a_child(directory, clocks, operation)
        assert_holds(directory, entries)
        if not died:
            break
        store = opened(directory, clocks)
        assert store.next_entry == entries[-1][0] + 1
        tidy_all(store, clocks)
        assert_holds(directory, entries)
        assert not listing(directory).segments
        assert not list(directory.rglob("*.part"))
        shutil.rmtree(directory)
    assert operation > 15


def test_what_replaces_something_is_on_the_disk_before_that_is_deleted(tmp_path, monkeypatch):
    """For a power cut: files, and the folders that name them, are forced out in this order."""
    entries, clocks = story(100), Clocks(START_NS + 100 * DAY)
    store = opened(tmp_path, clocks)
    record(store, entries, a_segment=30)
    on_disk: set[Path] = set()  # contents
    named: set[Path] = set()  # names
    replace, unlink = os.replace, os.unlink

    def fsync(handle: int) -> None:
        path = Path(f"/proc/self/fd/{handle}").readlink()
        if path.is_dir():
            named.update(each for each in path.iterdir() if each.is_dir() or each in on_disk)
        else:
            on_disk.add(path)

    def renamed(source, target) -> None:
        assert Path(source) in on_disk
        on_disk.add(Path(target))
        named.discard(Path(target))
        replace(source, target)

    def deleted(path, **options) -> None:
        path = Path(path)
        if path.exists() and path.suffix in (".arrows", ".parquet"):
            files = {each.path for each in listing(tmp_path).files}
            assert files <= named
            assert {each.parent for each in files} <= named
        unlink(path, **options)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "replace", renamed)
    monkeypatch.setattr(os, "unlink", deleted)
    tidy_all(store, clocks)
    assert len(listing(tmp_path).segments) == 1
    assert len(on_disk) > 10
    assert_holds(tmp_path, entries)


def test_a_kill_at_any_moment_loses_nothing(tmp_path):
    entries, clocks = story(200), Clocks(START_NS + 100 * DAY)
    store = opened(tmp_path, clocks)
    record(store, entries, a_segment=50)
    store.close()
    chance = random.Random(1)
    deaths = 0
    for patience in itertools.count(1):
        child = os.fork()
        if not child:
            _tidy_and_exit(tmp_path, clocks)
        time.sleep(chance.random() * 0.02 * patience)
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        assert_holds(tmp_path, entries)
        if os.WIFEXITED(status):
            assert os.WEXITSTATUS(status) == 0
            break
        deaths += 1
    assert deaths > 3


def _tidied_by_a_child(directory: Path, clocks: Clocks, deadly_operation: int) -> bool:
    """Whether it died of the operation; else it did all there was to do."""
    child = os.fork()
    if not child:
        _die_at(deadly_operation)
        _tidy_and_exit(directory, clocks)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0
    return os.WIFSIGNALED(status)


def _tidy_and_exit(directory: Path, clocks: Clocks) -> None:
    status = 1
    try:
        tidy_all(opened(directory, clocks), clocks)
        status = 0
    finally:
        os._exit(status)


def _die_at(operation: int) -> None:
    count = itertools.count()

    def deadly(real):
        def do(*arguments, **options):
            if Path(arguments[0]).exists() and next(count) == operation:
                os.kill(os.getpid(), signal.SIGKILL)
            return real(*arguments, **options)

        return do

    for name in ("replace", "unlink"):
        setattr(os, name, deadly(getattr(os, name)))
