"""Stores for tests: what is put in, clocks to be moved by hand, and what must come out."""

from __future__ import annotations

import random
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from bandwatch.pipeline.frames import Gap, PsdFrame
from bandwatch.pipeline.journal import Entry, Note
from bandwatch.pipeline.store import Store, stored_events, stored_rows
from bandwatch.pipeline.store_events import as_note
from bandwatch.tests.jig import same

SECOND = 1_000_000_000
HOUR, DAY = 3600 * SECOND, 86_400 * SECOND
START_NS = 20_500 * DAY  # a midnight
BANDS = [("attic", "srd"), ("attic", "ism"), ("roof", "srd")]
STORES: list[Store] = []  # that are open


def nobody(line: str) -> None:
    raise AssertionError(f"nothing should be told: {line}")


class Clocks:
    """Both clocks, to be moved by hand; steady unless said otherwise."""

    def __init__(self, utc_ns: int) -> None:
        self.utc_ns, self.monotonic_ns = utc_ns, 5 * SECOND

    def wait(self, ns: int) -> None:
        self.utc_ns += ns
        self.monotonic_ns += ns


def opened(directory: Path, clocks: Clocks | None = None, told=nobody, **limits) -> Store:
    clocks = clocks or Clocks(START_NS)
    limits = {"most_bytes": 10**10, "most_days": 10_000.0, "keep_free_bytes": 0} | limits
    store = Store(
        directory,
        told=told,
        utc_ns=lambda: clocks.utc_ns,
        monotonic_ns=lambda: clocks.monotonic_ns,
        **limits,
    )
    STORES.append(store)
    return store


def row(seq: int, time_ns: int, node: str = "attic", band: str = "srd", bins: int = 16) -> PsdFrame:
    power_db = np.random.default_rng(seq).normal(-100, 3, bins).astype(np.float32)
    return PsdFrame(node, band, 7, seq, time_ns, SECOND, 868e6, 1e3, power_db, "dBm/bin", 30.0)


def story(count: int, seed: int = 0, step_ns: int = 600 * SECOND) -> list[tuple[int, Entry]]:
    """Entries of three bands over days: rows, late ones too, gaps, notes; with holes in the numbers."""
    chance = random.Random(seed)
    number, told = 0, list[tuple[int, Entry]]()
    for place in range(count):
        number += chance.choice([1, 1, 1, 5])
        time_ns = START_NS + place * step_ns - (3 * DAY if chance.random() < 0.02 else 0)
        node, band = chance.choice(BANDS[: 2 if place < count * 2 // 3 else 3])
        kind = chance.random()
        if kind < 0.7:
            entry: Entry = row(place, time_ns, node, band)
        elif kind < 0.85:
            entry = Gap(node, band, place, chance.choice([None, 4]), 3, "lost", time_ns)
        else:
            entry = Note(node, band, time_ns, "verdict", {"segment": 1, "reasons": ["novel", "é"]})
        told.append((number, entry))
    return told


def batches(entries: Iterable[tuple[int, Entry]]) -> list[tuple[int, list[Entry]]]:
    """As a recorder gives them: runs of consecutive numbers, ten at most."""
    found: list[tuple[int, list[Entry]]] = []
    for number, entry in entries:
        if found and number == found[-1][0] + len(found[-1][1]) and len(found[-1][1]) < 10:
            found[-1][1].append(entry)
        else:
            found.append((number, [entry]))
    return found


def record(store: Store, entries: list[tuple[int, Entry]], a_segment: int = 40) -> None:
    """Append entries to the journal, and begin another segment every so often; the last is left open."""
    for place in range(0, len(entries), a_segment):
        store.journal.rotate()
        for number, batch in batches(entries[place : place + a_segment]):
            store.journal.append(number, batch)


def rows_of(entries: list[tuple[int, Entry]], node=None, band=None) -> list[tuple[int, Entry]]:
    return [
        (number, entry)
        for number, entry in entries
        if not isinstance(entry, Note) and node in (None, entry.node) and band in (None, entry.band)
    ]


def events_of(entries: list[tuple[int, Entry]]) -> list[tuple[int, Note]]:
    return [(number, as_note(entry)) for number, entry in entries if not isinstance(entry, PsdFrame)]


def assert_holds(directory: Path, entries: list[tuple[int, Entry]], told=nobody) -> None:
    assert same(list(stored_rows(directory, told=told)), rows_of(entries))
    assert same(list(stored_events(directory, told=told)), events_of(entries))


def tidy_all(store: Store, clocks: Clocks, keep_from: int = 2**62) -> None:
    while store.tidy(keep_from):
        clocks.monotonic_ns += 1


def close_stores() -> None:
    while STORES:
        STORES.pop().close()
