"""A recording of one band as a source: its rows as frames, its holes as gaps."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from .errors import BadInput
from .frames import Float32, Gap, PowerUnit, PsdFrame, read_only
from .readers.matrix import Matrix, Values
from .row_runs import RowRuns
from .row_times import Break, RowTimes
from .sidecar import Sidecar

BLOCK_BYTES = 1024 * 1024


class Recording:
    """Rows of one file in the order they stand; iterating yields `PsdFrame | Gap`, as often as wanted.

    `seq` is the row's index, `stream` the same whenever the same file is opened. Rows holding NaN or
    infinity are passed on as they are; `finite_rows` counts the others during a pass and `problems` names
    them after it. Memory: one block of rows, and 8 bytes a row where the file carries row times.
    """

    def __init__(
        self,
        path: Path,
        matrix: Matrix,
        sidecar: Sidecar,
        times: RowTimes,
        *,
        node: str,
        band: str,
        stream: int,
    ) -> None:
        self.path = path
        self.format = matrix.format
        self.value_type = matrix.value_type
        self.node = node
        self.band = band
        self.stream = stream
        self.unit: PowerUnit = sidecar.unit
        self.rows = matrix.rows
        self.bins = matrix.bins
        self.first_hz = sidecar.first_hz
        self.bin_hz = sidecar.bin_hz
        self.center_hz = sidecar.first_hz + (matrix.bins - 1) / 2 * sidecar.bin_hz
        self.step_ns = times.step_ns
        self.start_ns = times.earliest_ns
        self.end_ns = times.end_ns
        self.finite_rows = 0
        self._matrix = matrix
        self._times = times
        self._told_by_opening = matrix.problems + times.problems()
        self._broken_rows = RowRuns()

    @property
    def problems(self) -> list[str]:
        """What is odd about the file, a line each: from opening it, then from the latest pass over it."""
        return self._told_by_opening + self._broken_rows.in_words("NaN or infinite values")

    def __iter__(self) -> Iterator[PsdFrame | Gap]:
        return self.frames()

    def frames(
        self, chunk_rows: int | None = None, *, stream: int | None = None, later_ns: int = 0
    ) -> Iterator[PsdFrame | Gap]:
        """All rows, `chunk_rows` read at a time (1 MiB of float32 by default), which changes nothing else.

        `stream` and `later_ns` date and name a repetition: see `replay.py`.
        """
        if chunk_rows is None:
            chunk_rows = max(1, BLOCK_BYTES // (4 * self.bins))
        elif chunk_rows < 1:
            raise BadInput(f"chunk_rows: {chunk_rows}; limit: at least 1")
        return self._frames(chunk_rows, self.stream if stream is None else stream, later_ns)

    def require_finite_rows(self) -> None:
        """`BadInput` when the latest pass found not one row free of NaN and infinity."""
        if not self.finite_rows:
            raise BadInput(
                f"{self.path}: all {self.rows} rows hold NaN or infinite values;"
                " limit: at least 1 row of numbers"
            )

    def _frames(self, chunk_rows: int, stream: int, later_ns: int) -> Iterator[PsdFrame | Gap]:
        self.finite_rows = 0
        self._broken_rows = RowRuns()
        first = 0
        before_ns: int | None = None
        for block in self._matrix.blocks(chunk_rows):
            power_db = _as_power(block)
            finite = np.isfinite(power_db).all(axis=1)
            self.finite_rows += int(np.count_nonzero(finite))
            for row in np.flatnonzero(~finite):
                self._broken_rows.add(first + int(row))
            for row, row_ns in enumerate(self._times.starts_ns(first, len(power_db)), start=first):
                if before_ns is not None:
                    found = self._times.break_after(before_ns, row, row_ns)
                    if found is not None:
                        yield self._gap(found, before_ns + later_ns)
                yield PsdFrame(
                    node=self.node,
                    band=self.band,
                    stream=stream,
                    seq=row,
                    time_ns=row_ns + later_ns,
                    duration_ns=self.step_ns,
                    center_hz=self.center_hz,
                    bin_hz=self.bin_hz,
                    power_db=power_db[row - first],
                    unit=self.unit,
                )
                before_ns = row_ns
            first += len(power_db)

    def _gap(self, found: Break, before_ns: int) -> Gap:
        return Gap(
            node=self.node,
            band=self.band,
            after_seq=found.row - 1,
            lost_rows=found.lost_rows,
            lost_samples=None,
            reason=found.reason,
            time_ns=before_ns + self.step_ns,
        )


def _as_power(block: Values) -> Float32:
    """A read-only float32 copy, row-major; what float32 cannot hold becomes infinite."""
    with np.errstate(over="ignore"):
        return read_only(np.array(block, dtype=np.float32, order="C"))
