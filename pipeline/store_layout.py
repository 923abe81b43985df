"""Where a store keeps what: names of folders and files, and which of the files are to be read.

    journal/                                        what has just happened: `journal.py`
    rows/<node>/<band>/<YYYY-MM-DD>/<range>.parquet     a band's rows, by the UTC day they began in
    events/<YYYY-MM-DD>/<range>.parquet                 gaps and notes of all bands

A range is `<first>-<last>`: the numbers, 20 digits each, of the first and the last entry of the segment, or
of the first and the last of the segments, that a file was made from. That alone says what it replaces.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote, unquote

from .frames import NS_PER_S
from .journal import Segment, segments
from .limits import LATEST_NS, is_name

JOURNAL_FOLDER, ROWS_FOLDER, EVENTS_FOLDER = "journal", "rows", "events"
DAMAGED_NAME = "_{}.damaged"  # Arrow passes over names with an underscore first
DAY_NS = 86_400 * NS_PER_S

_NAME = re.compile(r"_?(\d{20})-(\d{20})\.parquet(\.damaged)?")
_DAY = re.compile(r"\d{4}-\d\d-\d\d")


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A parquet file; `node` and `band` are None for one of events."""

    path: Path
    node: str | None
    band: str | None
    day: str
    first_entry: int
    last_entry: int
    size_bytes: int
    damaged: bool

    @property
    def folder(self) -> Path:
        return self.path.parent


@dataclass(frozen=True, slots=True)
class Listing:
    """What there is: every segment and every file, also those that others stand for; oldest first each."""

    segments: tuple[Segment, ...]
    files: tuple[StoredFile, ...]

    @property
    def names(self) -> frozenset[Path]:
        return frozenset(each.path for each in (*self.segments, *self.files))

    def live(self) -> list[StoredFile]:
        """The files to be read, so that nothing is read twice.

        Not those of a segment that is still there, as only the segment is known to be complete; not those
        whose range lies in another's of the same folder; not the damaged.
        """
        whole = [each for each in self.files if not each.damaged and not _covered(each, self.segments)]
        hidden = {each.path for each in superseded(whole)}
        return [each for each in whole if each.path not in hidden]


def superseded(files: Sequence[StoredFile]) -> list[StoredFile]:
    """The files whose range lies in another's of the same folder."""
    found: list[StoredFile] = []
    folder, reach = None, -1
    for each in sorted(files, key=lambda file: (file.folder, file.first_entry, -file.last_entry)):
        if each.damaged:
            continue
        if each.folder != folder:
            folder, reach = each.folder, -1
        if each.last_entry <= reach:
            found.append(each)
        reach = max(reach, each.last_entry)
    return found


def listing(directory: Path) -> Listing:
    """What a store holds; right also while an agent compacts, merges and deletes."""
    found = glance(directory)
    # A name that came and one that went while a folder was read may both be missed; the next look sees one.
    while True:
        before, found = found, glance(directory)
        if before.names == found.names:
            return found


def glance(directory: Path) -> Listing:
    """One look; right for the one who writes. Segments first: one that is gone by then has left its files."""
    journal = tuple(segments(directory / JOURNAL_FOLDER))
    files: list[StoredFile] = []
    for node in _entries(directory / ROWS_FOLDER):
        for band in _entries(Path(node.path)):
            for day in _days(Path(band.path)):
                files += _files(Path(day.path), _name(node.name), _name(band.name))
    for day in _days(directory / EVENTS_FOLDER):
        files += _files(Path(day.path), None, None)
    return Listing(journal, tuple(files))


def rows_path(directory: Path, node: str, band: str, day: str, first_entry: int, last_entry: int) -> Path:
    return directory / ROWS_FOLDER / _folder(node) / _folder(band) / day / range_name(first_entry, last_entry)


def events_path(directory: Path, day: str, first_entry: int, last_entry: int) -> Path:
    return directory / EVENTS_FOLDER / day / range_name(first_entry, last_entry)


def range_name(first_entry: int, last_entry: int) -> str:
    return f"{first_entry:020d}-{last_entry:020d}.parquet"


def day_of(time_ns: int) -> str:
    """The UTC day that a moment lies in; what is beyond the limits of time lies in the last day of them."""
    return f"{datetime.fromtimestamp(min(max(time_ns, 0), LATEST_NS) // NS_PER_S, UTC):%Y-%m-%d}"


def day_end_ns(day: str) -> int:
    """Where a day of that name ends, UTC."""
    return int(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp()) * NS_PER_S + DAY_NS


def _covered(file: StoredFile, journal: Sequence[Segment]) -> bool:
    return any(
        each.first_entry <= file.first_entry <= max(each.first_entry, each.last_entry) for each in journal
    )


def _folder(name: str) -> str:
    # Names are checked where they come in; one that is not may not lead out of the store.
    return name if is_name(name) else "%" + quote(name, safe="").replace(".", "%2E")


def _name(folder: str) -> str:
    return unquote(folder[1:]) if folder.startswith("%") else folder


def _files(folder: Path, node: str | None, band: str | None) -> Iterator[StoredFile]:
    for each in _entries(folder):
        found = _NAME.fullmatch(each.name)
        if found is not None:
            try:
                size_bytes = each.stat().st_size
            except FileNotFoundError:
                continue
            first, last, damaged = found.groups()
            yield StoredFile(
                Path(each.path), node, band, folder.name, int(first), int(last), size_bytes, bool(damaged)
            )


def _days(folder: Path) -> Iterator[os.DirEntry[str]]:
    return (each for each in _entries(folder) if _DAY.fullmatch(each.name))


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as found:
            return sorted(found, key=lambda each: each.name)
    except (FileNotFoundError, NotADirectoryError):
        return []
