"""A matrix of power and its sidecar as a reader of frames."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from .frames import Gap, PsdFrame
from .readers.matrix import Matrix
from .readers.reader import Identity, RowFacts
from .row_times import RowTimes, stamped_times
from .sidecar import Sidecar
from .timed_rows import TimedRows, timed_frames


class MatrixRows:
    """FrameReader of a `Matrix` whose axes the sidecar gives: the keys of `MATRIX_KEYS` must be there.

    Memory: a block of rows, and 8 bytes a row where the file carries row times.
    """

    def __init__(self, path: Path, matrix: Matrix, sidecar: Sidecar) -> None:
        assert sidecar.first_hz is not None
        assert sidecar.bin_hz is not None
        assert sidecar.unit is not None
        self._matrix = matrix
        self._times = _times(path, matrix, sidecar)
        self.facts = RowFacts(
            format=matrix.format,
            value_type=matrix.value_type,
            rows=matrix.rows,
            bins=matrix.bins,
            first_hz=sidecar.first_hz,
            bin_hz=sidecar.bin_hz,
            unit=sidecar.unit,
            step_ns=self._times.step_ns,
            start_ns=self._times.earliest_ns,
            end_ns=self._times.end_ns,
            problems=tuple(matrix.problems),
        )

    def frames(self, identity: Identity, chunk_rows: int, from_ns: int | None) -> Iterator[PsdFrame | Gap]:
        del from_ns  # rows are read fast: what comes too early is left out by who asked
        return timed_frames(self.facts, identity, self._blocks(chunk_rows))

    def _blocks(self, chunk_rows: int) -> Iterator[TimedRows]:
        first = 0
        for values in self._matrix.blocks(chunk_rows):
            starts_ns = np.array(self._times.starts_ns(first, len(values)), dtype=np.int64)
            yield TimedRows(first, starts_ns, values)
            first += len(values)


def _times(path: Path, matrix: Matrix, sidecar: Sidecar) -> RowTimes:
    if sidecar.time_unix is not None:
        seconds = matrix.row_times(sidecar.time_unix)
        return stamped_times(
            f"{path}: time_unix '{sidecar.time_unix}'", seconds, matrix.rows, sidecar.step_ns
        )
    assert sidecar.start_ns is not None
    assert sidecar.step_ns is not None
    return RowTimes(sidecar.start_ns, sidecar.step_ns, matrix.rows)
