"""Reading a store, whether or not an agent is at work in it: journal and parquet as one, by entry number."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from .errors import BadInput
from .frames import Gap, PsdFrame
from .journal import Entry, Note, Segment, read_segment
from .store_events import as_note, read_events
from .store_layout import DAY_NS, Listing, StoredFile, day_end_ns, listing
from .store_rows import read_rows, rows_in
from .store_version import require_readable

Item = TypeVar("Item")
Tell = Callable[[str], None]
MOST_LOOKS = 100  # in a row, each of them at a file that is gone when it is opened


def stored_events(
    directory: Path,
    *,
    since_ns: int | None = None,
    until_ns: int | None = None,
    node: str | None = None,
    band: str | None = None,
    kinds: Collection[str] | None = None,
    told: Tell,
) -> Iterator[tuple[int, Note]]:
    """Events and the numbers of their entries, in the order they were recorded; gaps as notes.

    Those from `since_ns` on and before `until_ns`. Files that are damaged are told of, and left out.
    `BadInput` where there is no store, or one of a later version.
    """
    _require_store(directory)

    def wanted(event: Note) -> bool:
        return (
            _within(event.time_ns, since_ns, until_ns)
            and node in (None, event.node)
            and band in (None, event.band)
            and (kinds is None or event.kind in kinds)
        )

    def of_file(file: StoredFile, after: int) -> Iterator[tuple[int, Note]]:
        return read_events(
            file.path,
            after_entry=after,
            since_ns=since_ns,
            until_ns=until_ns,
            node=node,
            band=band,
            kinds=kinds,
        )

    def of_entry(entry: Entry) -> Note | None:
        if isinstance(entry, PsdFrame):
            return None
        event = as_note(entry)
        return event if wanted(event) else None

    def is_wanted(file: StoredFile) -> bool:
        return file.band is None and _may_be_within(file, since_ns, until_ns)

    return _entries(directory, _Wish(is_wanted, of_file, of_entry), told)


def stored_rows(
    directory: Path,
    *,
    since_ns: int | None = None,
    until_ns: int | None = None,
    node: str | None = None,
    band: str | None = None,
    after_entry: int = -1,
    told: Tell,
) -> Iterator[tuple[int, PsdFrame | Gap]]:
    """Rows and gaps, and the numbers of their entries, in the order they were recorded.

    The rows that begin from `since_ns` on and before `until_ns`, and the gaps before each of them; those
    that no row follows by their own time. Damage and errors as in `stored_events`.
    """
    _require_store(directory)

    def of_file(file: StoredFile, after: int) -> Iterator[tuple[int, PsdFrame | Gap]]:
        return read_rows(file.path, after_entry=after, since_ns=since_ns, until_ns=until_ns)

    def of_entry(entry: Entry) -> PsdFrame | Gap | None:
        if isinstance(entry, Note) or node not in (None, entry.node) or band not in (None, entry.band):
            return None
        return entry

    def is_wanted(file: StoredFile) -> bool:
        return (
            file.band is not None
            and node in (None, file.node)
            and band in (None, file.band)
            and _may_be_within(file, since_ns, until_ns)
        )

    found = _entries(directory, _Wish(is_wanted, of_file, of_entry), told, after_entry)
    return found if since_ns is None and until_ns is None else _between(found, since_ns, until_ns)


def _between(
    found: Iterator[tuple[int, PsdFrame | Gap]], since_ns: int | None, until_ns: int | None
) -> Iterator[tuple[int, PsdFrame | Gap]]:
    gaps: dict[tuple[str, str], list[tuple[int, Gap]]] = {}
    for number, item in found:
        if isinstance(item, Gap):
            gaps.setdefault((item.node, item.band), []).append((number, item))
            continue
        before = gaps.pop((item.node, item.band), ())
        if _within(item.time_ns, since_ns, until_ns):
            yield from before
            yield number, item
    last = sorted((each for of_band in gaps.values() for each in of_band), key=lambda each: each[0])
    yield from (each for each in last if _within(each[1].time_ns, since_ns, until_ns))


def _within(time_ns: int, since_ns: int | None, until_ns: int | None) -> bool:
    return (since_ns is None or time_ns >= since_ns) and (until_ns is None or time_ns < until_ns)


def newest_rows(
    directory: Path, node: str, band: str, most_rows: int, told: Tell
) -> Iterator[tuple[int, PsdFrame | Gap]]:
    """The last rows of a band, as many as asked for or there are, oldest first, and the gaps among them."""
    _require_store(directory)
    more, first = _beyond(listing(directory), node, band, most_rows)
    rows = stored_rows(directory, node=node, band=band, after_entry=first - 1, told=told)
    for number, item in rows:
        if more > 0:
            more -= isinstance(item, PsdFrame)
        else:
            yield number, item


def _beyond(found: Listing, node: str, band: str, most_rows: int) -> tuple[int, int]:
    """How many rows there are too many from an entry on, and that entry, so that all wanted lie beyond."""
    sources: list[StoredFile | Segment] = [
        each for each in found.live() if (each.node, each.band) == (node, band)
    ]
    sources += found.segments
    count, first = 0, 2**62
    for each in sorted(sources, key=_last, reverse=True):
        # What reaches into the range of another is counted with it: their rows may alternate.
        if count >= most_rows and _last(each) < first:
            return count - most_rows, first
        first = min(first, each.first_entry)
        count += _rows_of(each, node, band)
    return max(0, count - most_rows), 0


def _rows_of(source: StoredFile | Segment, node: str, band: str) -> int:
    if isinstance(source, Segment):
        entries = read_segment(source, lambda _: None)
        return sum(
            isinstance(each, PsdFrame) and (each.node, each.band) == (node, band) for _, each in entries
        )
    try:
        return rows_in(source.path)
    except BadInput:  # who reads it will tell
        return 0


@dataclass(frozen=True, slots=True)
class _Wish:
    """Which files, how they are read beyond an entry, and what of the journal's entries is wanted."""

    of_listed: Callable[[StoredFile], bool]
    of_file: Callable[[StoredFile, int], Iterator[tuple[int, Any]]]
    of_entry: Callable[[Entry], Any]


class _VanishedError(Exception):
    """A file that was listed is gone: what was in it stands elsewhere by now, or was let go."""


def _entries(directory: Path, wish: _Wish, told: Tell, after: int = -1) -> Iterator[tuple[int, Any]]:
    """What is wished for, by rising number; looks again where files go while it reads."""
    looks = 0
    told_of: set[str] = set()

    def tell(line: str) -> None:
        if line not in told_of:
            told_of.add(line)
            told(line)

    while True:
        try:
            found = listing(directory)
        except OSError as error:
            raise BadInput(f"{directory}: cannot be read: {error.strerror}") from None
        sources: list[StoredFile | Segment] = [each for each in found.live() if wish.of_listed(each)]
        sources += found.segments
        try:
            for number, item in _by_number(sources, wish, after, tell):
                looks, after = 0, number
                yield number, item
        except _VanishedError:
            looks += 1
            if looks > MOST_LOOKS:
                raise BadInput(f"{directory}: its files are gone whenever they are opened") from None
        else:
            return


def _by_number(
    sources: list[StoredFile | Segment], wish: _Wish, after: int, told: Tell
) -> Iterator[tuple[int, Any]]:
    """All sources as one; each is opened when its first number is due, and most are alone then."""
    waiting = sorted(sources, key=lambda each: each.first_entry, reverse=True)
    heap: list[tuple[int, int, Any, Iterator[tuple[int, Any]]]] = []
    while waiting or heap:
        while waiting and (not heap or waiting[-1].first_entry <= heap[0][0]):
            source = waiting.pop()
            if not isinstance(source, Segment) and source.last_entry <= after:
                continue
            items = _items_of(source, wish, after, told)
            for number, item in items:
                heapq.heappush(heap, (number, len(waiting), item, items))
                break
        if heap:
            number, place, item, items = heap[0]
            yield number, item
            following = next(items, None)
            if following is None:
                heapq.heappop(heap)
            else:
                heapq.heapreplace(heap, (*following[:1], place, following[1], items))


def _items_of(source: StoredFile | Segment, wish: _Wish, after: int, told: Tell) -> Iterator[tuple[int, Any]]:
    if isinstance(source, Segment):
        lines: list[str] = []
        nothing = True
        for number, entry in read_segment(source, lines.append, after_entry=after):
            nothing = False
            item = wish.of_entry(entry)
            if item is not None:
                yield number, item
        if (lines or nothing) and not source.path.exists():
            raise _VanishedError
        for line in lines:
            told(line)
        return
    try:
        yield from wish.of_file(source, after)
    except BadInput as refusal:
        if not source.path.exists():
            raise _VanishedError from None
        told(f"{refusal}; it is left out")


def _last(source: StoredFile | Segment) -> int:
    return max(source.first_entry, source.last_entry)


def _may_be_within(file: StoredFile, since_ns: int | None, until_ns: int | None) -> bool:
    end_ns = day_end_ns(file.day)
    return (since_ns is None or end_ns > since_ns) and (until_ns is None or end_ns - DAY_NS < until_ns)


def _require_store(directory: Path) -> None:
    if require_readable(directory) is None:
        raise BadInput(f"{directory}: no store here; an agent that records makes one")
