"""What a store has of before, read without opening it: on a disk that is read-only or full, too."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from ..pipeline.errors import BadInput
from ..pipeline.frames import Gap, PsdFrame
from ..pipeline.journal import Entry, read_segment, segments
from ..pipeline.store_layout import JOURNAL_FOLDER, glance
from ..pipeline.store_reading import newest_rows
from ..pipeline.store_version import require_readable


class Past:
    """Rows, gaps and notes of a store's directory, from any thread; nothing where there is no store yet.

    What cannot be read is told of, and is as if it had never been.
    """

    def __init__(self, directory: Path, told: Callable[[str], None]) -> None:
        self._directory = directory
        self._told = told

    def bands(self) -> set[tuple[str, str]]:
        """(node, band) of the rows that are stored, but for the journal's."""
        try:
            files = glance(self._directory).files if self._is_there() else ()
        except OSError as error:
            self._cannot(error)
            return set()
        return {(each.node, each.band) for each in files if each.node and each.band}

    def is_whole(self, most_entries: int) -> bool:
        """Whether the journal has everything from the first entry on, and no more than so many."""
        try:
            found = segments(self._directory / JOURNAL_FOLDER) if self._is_there() else ()
        except OSError as error:
            self._cannot(error)
            return False
        return bool(found) and found[0].first_entry == 0 and found[-1].last_entry < most_entries

    def entries_after(self, entry: int) -> Iterator[tuple[int, Entry]]:
        """The entries of the journal with higher numbers, in order."""
        try:
            for segment in segments(self._directory / JOURNAL_FOLDER) if self._is_there() else ():
                if segment.last_entry > entry:
                    yield from read_segment(segment, self._told, after_entry=entry)
        except OSError as error:
            self._cannot(error)

    def last_rows(self, node: str, band: str, most_rows: int) -> Iterator[tuple[int, PsdFrame | Gap]]:
        """The newest rows of a band, oldest first, and the gaps among them, with their entries' numbers."""
        try:
            if self._is_there():
                yield from newest_rows(self._directory, node, band, most_rows, self._told)
        except OSError as error:
            self._cannot(error)
        except BadInput as refusal:
            self._told(str(refusal))

    def _is_there(self) -> bool:
        try:
            return require_readable(self._directory) is not None
        except BadInput:  # of a later version: whoever would write it says so
            return False

    def _cannot(self, error: OSError) -> None:
        self._told(f"{self._directory}: not read to its end: {error.strerror or error}")
