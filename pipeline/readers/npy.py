"""`.npy`: one matrix, memory-mapped."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ..errors import BadInput
from .matrix import Values, checked_shape, no_row_times
from .npy_header import read_npy_header


class NpyMatrix:
    """A numpy array file. Blocks are views of the map: only the pages being read take memory."""

    format = "npy"

    def __init__(self, path: Path) -> None:
        self._path = path
        with path.open("rb") as stream:
            self._header = read_npy_header(stream, str(path))
        self.rows, self.bins = checked_shape(str(path), self._header.shape, self._header.dtype)
        self.value_type = str(self._header.dtype)
        self.problems: list[str] = []
        self._check_length()

    def _check_length(self) -> None:
        held = self._path.stat().st_size - self._header.data_offset
        if held < self._header.data_bytes:
            rows = held // (self.bins * self._header.dtype.itemsize)
            raise BadInput(
                f"{self._path}: truncated: {held} bytes of values, about {rows} rows;"
                f" limit: {self._header.data_bytes}, the {self.rows} rows its header promises"
            )

    def blocks(self, chunk_rows: int) -> Iterator[Values]:
        # Asked again: reading past the end of a file cut since would kill the process, not raise.
        self._check_length()
        header = self._header
        order = "F" if header.fortran_order else "C"
        values = np.memmap(
            self._path, header.dtype, "r", header.data_offset, (self.rows, self.bins), order=order
        )
        for first in range(0, self.rows, chunk_rows):
            yield values[first : first + chunk_rows]

    def row_times(self, name: str) -> Values:
        raise no_row_times(self._path, name, "npy")
