"""Entries that anyone can make from their numbers, to see whether a journal tells the truth."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from bandwatch.pipeline.frames import Gap
from bandwatch.pipeline.journal import Entry, Note, read_segment, segments
from bandwatch.tests.jig import rows, same

ROW = rows(1, bins=64)[0]


def entry_of(number: int) -> Entry:
    """The entry that has this number, whoever asks."""
    kind = number % 3
    if kind == 0:
        return replace(ROW, seq=number, power_db=np.arange(number, number + 8, dtype=np.float32))
    if kind == 1:
        return Gap("node", "band", number, number, None, "lost", number)
    return Note("node", "band", number, "alarm", {"number": number})


def batch(first: int, entries: int) -> list[Entry]:
    return [entry_of(each) for each in range(first, first + entries)]


def read_all(folder: Path) -> tuple[list, list[str]]:
    told: list[str] = []
    return [each for one in segments(folder) for each in read_segment(one, told.append)], told


def assert_true(entries: list) -> None:
    """Every entry is what its number says, and none comes twice."""
    numbers = [number for number, _ in entries]
    assert numbers == sorted(set(numbers))
    assert same(entries, [(number, entry_of(number)) for number in numbers])
