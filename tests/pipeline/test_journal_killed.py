"""A writing process that is killed: every batch it had completed is there."""

from __future__ import annotations

import os
import random
import signal
import struct
import time
import warnings
from pathlib import Path

from bandwatch.pipeline.journal import Journal, segments
from bandwatch.tests.journals import assert_true, batch, read_all


def append_until_killed(folder: Path, first: int, told: int, flushing: bool) -> None:
    journal = Journal(folder, segment_bytes=8_000)
    random_ = random.Random(first)
    number = max(first, journal.next_entry)
    while True:
        entries = random_.randrange(1, 6)
        journal.append(number, batch(number, entries))
        number += entries
        os.write(told, struct.pack("<q", number))
        if flushing and random_.random() < 0.2:
            journal.flush()


def killed_after(seconds: float, folder: Path, first: int, flushing: bool) -> int:
    """A writing process that dies by SIGKILL; one beyond the last entry that it had completed."""
    reading, told = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", DeprecationWarning
        )  # of forking beside threads; this child needs none
        child = os.fork()
    if not child:
        try:
            append_until_killed(folder, first, told, flushing)
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
    first = 0
    numbers: list[int] = []
    for life in range(16):
        completed = killed_after(random_.uniform(0, 0.03), tmp_path, first, flushing=life % 2 == 0)
        entries, told = read_all(tmp_path)
        assert_true(entries)
        numbers = [number for number, _ in entries]
        written = [number for number in numbers if number >= first]
        assert written[: completed - first] == list(range(first, completed))
        assert len(written) <= completed - first + 5, "at most the batch that was under way"
        assert all(": ends in the middle of a batch: 0 sealed entries are missing" in line for line in told)
        first = written[-1] + 1
    assert numbers == list(range(first))
    assert len(segments(tmp_path)) >= 16
