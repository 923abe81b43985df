"""A writing process that is killed: every batch it had completed is there."""

from __future__ import annotations

import os
import random
import signal
import struct
import time
import warnings
from contextlib import closing
from pathlib import Path

from bandwatch.pipeline.journal import Journal, segments
from bandwatch.tests.journals import assert_true, batch, read_all


def append_until_killed(folder: Path, told: int, flushing: bool) -> None:
    journal = Journal(folder, segment_bytes=20_000)
    number = journal.next_entry
    random_ = random.Random(number)
    while True:
        entries = random_.randrange(1, 6)
        journal.append(number, batch(number, entries))
        number += entries
        os.write(told, struct.pack("<q", number))
        if flushing and random_.random() < 0.2:
            journal.flush()


def killed_after(seconds: float, folder: Path, flushing: bool) -> int:
    """A writing process that dies by SIGKILL; one beyond the last entry that it had completed."""
    reading, told = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", DeprecationWarning
        )  # of forking beside threads; this child needs none
        child = os.fork()
    if not child:
        try:
            append_until_killed(folder, told, flushing)
        finally:
            os._exit(1)
    os.close(told)
    with os.fdopen(reading, "rb") as pipe:
        started = pipe.read(8)  # so that the moment is one of writing, not of starting
        time.sleep(seconds)
        os.kill(child, signal.SIGKILL)
        told_bytes = started + pipe.read()
    _, status = os.waitpid(child, 0)
    assert os.WTERMSIG(status) == signal.SIGKILL
    whole = len(told_bytes) // 8 * 8
    return struct.unpack("<q", told_bytes[whole - 8 : whole])[0]


def test_killed_at_any_moment_nothing_completed_is_missing(tmp_path) -> None:
    random_ = random.Random(os.getpid())
    expected: list[int] = []
    for life in range(10):
        with closing(Journal(tmp_path)) as journal:
            first = journal.next_entry
        assert first - len(expected) <= life, "a number is passed over only where a segment was just begun"
        completed = killed_after(random_.uniform(0, 0.02), tmp_path, flushing=life % 2 == 0)
        entries, told = read_all(tmp_path)
        assert_true(entries)
        numbers = [number for number, _ in entries]
        expected += range(first, completed)
        assert numbers[: len(expected)] == expected
        under_way = numbers[len(expected) :]
        assert under_way == list(range(completed, completed + len(under_way)))
        assert len(under_way) <= 5, "at most one batch"
        assert all(": ends in the middle of a batch: 0 sealed entries are missing" in line for line in told)
        expected = numbers
    assert len(segments(tmp_path)) >= 10
