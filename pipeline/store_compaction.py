"""A closed segment of the journal becomes parquet files: a band's rows by day, events by day."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

from .frames import Gap, PsdFrame
from .journal import Note, Segment, read_segment
from .store_events import as_note, write_events
from .store_layout import day_of, events_path, rows_path
from .store_rows import new_rows_file

ENTRIES_AT_ONCE = 512


def compact(segment: Segment, directory: Path, told: Callable[[str], None]) -> Iterator[None]:
    """Write the files of a segment, a piece of the work between any two items of the iterator.

    Every file appears whole and under a name that follows from the segment, so that doing it again,
    wherever it was ended, gives the same. What cannot be read of a segment is told of; the rest is kept.
    A gap stands before the next row of its band in the segment; after the last one, at the end of that
    row's file; and where there is none, in a file without rows. Memory: the segment, and three row groups.
    OSError as the system gives it.
    """
    rows: dict[tuple[str, str, str], list[tuple[int, PsdFrame | Gap]]] = defaultdict(list)
    events: dict[str, list[tuple[int, Note]]] = defaultdict(list)
    gaps: dict[tuple[str, str], list[tuple[int, Gap]]] = defaultdict(list)
    days: dict[tuple[str, str], str] = {}
    count = 0
    for count, (number, entry) in enumerate(read_segment(segment, told), start=1):
        of_band = (entry.node, entry.band)
        if isinstance(entry, PsdFrame):
            day = days[of_band] = day_of(entry.time_ns)
            held = rows[*of_band, day]
            held += gaps.pop(of_band, ())
            held.append((number, entry))
        else:
            if isinstance(entry, Gap):
                gaps[of_band].append((number, entry))
            events[day_of(entry.time_ns)].append((number, as_note(entry)))
        if count % ENTRIES_AT_ONCE == 0:
            yield
    if not count:
        segment.path.open("rb").close()  # OSError where that nothing was read is the system's doing
    for of_band, waiting in gaps.items():
        rows[*of_band, days.get(of_band) or day_of(waiting[0][1].time_ns)] += waiting
    span = (segment.first_entry, segment.last_entry)
    for (node, band, day), items in rows.items():
        yield
        with new_rows_file(rows_path(directory, node, band, day, *span)) as file:
            for place, (number, item) in enumerate(items, start=1):
                file.add(item, number)
                if place % ENTRIES_AT_ONCE == 0:
                    yield
    for day, notes in events.items():
        yield
        write_events(events_path(directory, day, *span), notes)
