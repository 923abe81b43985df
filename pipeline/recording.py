"""A recording of one band as a source: its rows as frames, its holes as gaps."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from .errors import BadInput
from .frames import Gap, PsdFrame
from .readers.iq_reader import IqReader
from .readers.reader import FrameReader, Identity
from .row_runs import RowRuns
from .row_times import MOST_LISTED as MOST_BREAKS
from .row_times import Break, break_words

BLOCK_BYTES = 1024 * 1024


class Recording:
    """Rows of one file in the order they stand; iterating yields `PsdFrame | Gap`, as often as wanted.

    `seq` is the row's index, `stream` the same whenever the same file is opened. Rows holding NaN or
    infinity are passed on as they are; `finite_rows` counts the others during a pass and `problems` names
    them and the breaks after it. `iq` are the samples, where the file holds samples. Memory does not grow
    with the file, but for 8 bytes a row where a matrix carries row times.
    """

    def __init__(self, path: Path, reader: FrameReader, identity: Identity) -> None:
        facts = reader.facts
        self.path = path
        self.facts = facts
        self.format = facts.format
        self.value_type = facts.value_type
        self.node = identity.node
        self.band = identity.band
        self.stream = identity.stream
        self.unit = facts.unit
        self.rows = facts.rows
        self.bins = facts.bins
        self.first_hz = facts.first_hz
        self.bin_hz = facts.bin_hz
        self.center_hz = facts.first_hz + (facts.bins - 1) / 2 * facts.bin_hz
        self.step_ns = facts.step_ns
        self.start_ns = facts.start_ns
        self.end_ns = facts.end_ns
        self.iq: IqReader | None = getattr(reader, "iq", None)
        self.finite_rows = 0
        self._passed_rows = 0
        self._reader = reader
        self._broken_rows = RowRuns()
        self._breaks: list[Break] = []
        self._breaks_beyond = 0

    @property
    def problems(self) -> list[str]:
        """What is odd about the file, a line each: from opening it, then from the latest pass over it."""
        breaks = break_words(self._breaks, self._breaks_beyond)
        return [*self.facts.problems, *breaks, *self._broken_rows.in_words("NaN or infinite values")]

    def __iter__(self) -> Iterator[PsdFrame | Gap]:
        return self.frames()

    def frames(
        self,
        chunk_rows: int | None = None,
        *,
        stream: int | None = None,
        later_ns: int = 0,
        from_ns: int | None = None,
        to_ns: int | None = None,
    ) -> Iterator[PsdFrame | Gap]:
        """All rows, about `chunk_rows` read at a time (1 MiB of float32 by default): that changes nothing.

        With `from_ns` and `to_ns` those from the first that starts at or after the one to the last before
        a row that starts at or after the other, by the file's own times. `stream` and `later_ns` date and
        name a repetition: see `replay.py`.
        """
        if chunk_rows is None:
            chunk_rows = max(1, BLOCK_BYTES // (4 * self.bins))
        elif chunk_rows < 1:
            raise BadInput(f"chunk_rows: {chunk_rows}; limit: at least 1")
        identity = Identity(self.node, self.band, self.stream if stream is None else stream)
        items = self._observed(_between(self._reader.frames(identity, chunk_rows, from_ns), from_ns, to_ns))
        return items if not later_ns else (_moved(item, later_ns) for item in items)

    def require_finite_rows(self) -> None:
        """`BadInput` when the latest pass found not one row free of NaN and infinity."""
        if not self.finite_rows:
            raise BadInput(
                f"{self.path}: all {self._passed_rows} rows hold NaN or infinite values;"
                " limit: at least 1 row of numbers"
            )

    def _observed(self, items: Iterator[PsdFrame | Gap]) -> Iterator[PsdFrame | Gap]:
        self.finite_rows = self._passed_rows = 0
        self._broken_rows = RowRuns()
        self._breaks, self._breaks_beyond = [], 0
        last: PsdFrame | None = None
        gap: Gap | None = None
        for item in self._named(items):
            if isinstance(item, Gap):
                gap = item
            else:
                if gap is not None and last is not None:
                    self._tell(gap, item.time_ns - last.time_ns, item.seq)
                gap, last = None, item
                self._passed_rows += 1
                if np.isfinite(item.power_db).all():
                    self.finite_rows += 1
                else:
                    self._broken_rows.add(item.seq)
            yield item

    def _named(self, items: Iterator[PsdFrame | Gap]) -> Iterator[PsdFrame | Gap]:
        try:
            yield from items
        except BadInput as refusal:
            raise naming(self.path, refusal) from None

    def _tell(self, gap: Gap, step_ns: int, row: int) -> None:
        if len(self._breaks) == MOST_BREAKS:
            self._breaks_beyond += 1
        else:
            reason = "clock" if gap.reason == "clock" else "source"
            self._breaks.append(Break(row, reason, gap.lost_rows, step_ns))


def naming(path: Path, refusal: BadInput) -> BadInput:
    """The same error, with the file's name in it: what makes rows of samples knows no file."""
    return refusal if str(path) in str(refusal) else BadInput(f"{path}: {refusal}")


def _between(
    items: Iterator[PsdFrame | Gap], from_ns: int | None, to_ns: int | None
) -> Iterator[PsdFrame | Gap]:
    begun = from_ns is None
    for item in items:
        if isinstance(item, PsdFrame):
            begun = begun or from_ns is None or item.time_ns >= from_ns
            if begun and to_ns is not None and item.time_ns >= to_ns:
                return
        if begun:
            yield item


def _moved(item: PsdFrame | Gap, later_ns: int) -> PsdFrame | Gap:
    return dataclasses.replace(item, time_ns=item.time_ns + later_ns)
