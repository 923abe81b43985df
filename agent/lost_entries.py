"""What could not be recorded: counted, until the journal can be told."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from ..pipeline.frames import Gap, PsdFrame
from ..pipeline.journal import Entry, Note


@dataclass(slots=True)
class Lost:
    """Entries that were not recorded, from number `first` on: of each band how many rows and entries, and how
    many rows those entries reported lost."""

    first: int
    reason: str
    since_ns: int
    rows: Counter[tuple[str, str]] = field(default_factory=Counter)
    entries: Counter[tuple[str, str]] = field(default_factory=Counter)
    lost_rows: Counter[tuple[str, str]] = field(default_factory=Counter)

    def add(self, entries: Sequence[Entry]) -> None:
        for entry in entries:
            self.entries[entry.node, entry.band] += 1
            self.rows[entry.node, entry.band] += isinstance(entry, PsdFrame)
            if isinstance(entry, Gap):
                self.lost_rows[entry.node, entry.band] += entry.lost_rows or 0

    def merge(self, later: Lost) -> None:
        self.rows += later.rows
        self.entries += later.entries
        self.lost_rows += later.lost_rows

    def notes(self) -> list[Note]:
        """One a band: never more than entries were lost, so that their numbers are free."""
        return [
            Note(node, band, self.since_ns, "unrecorded", {
                "rows": self.rows[node, band], "lost_rows": self.lost_rows[node, band], "entries": count,
                "reason": self.reason,
            })
            for (node, band), count in self.entries.items()
        ]  # fmt: skip
