"""`.npy`: one matrix, read block by block."""

from __future__ import annotations

import os
from collections.abc import Iterator
from io import FileIO
from pathlib import Path

import numpy as np

from ..errors import BadInput
from .matrix import PASS_BYTES, Values, checked_shape, no_row_times, rows_at_once
from .npy_header import NpyHeader, read_npy_header


class NpyMatrix:
    """A numpy array file.

    Memory: one block of a row-major array; a column-major one (numpy's Fortran order), whose rows lie
    scattered over the whole file, is read in passes of `pass_bytes`. Nothing is mapped: mapped pages
    count as the program's own.
    """

    format = "npy"

    def __init__(self, path: Path, pass_bytes: int = PASS_BYTES) -> None:
        self._path = path
        self._pass_bytes = pass_bytes
        with path.open("rb") as stream:
            self._header = read_npy_header(stream, str(path))
        self.rows, self.bins = checked_shape(str(path), self._header.shape, self._header.dtype)
        self.value_type = str(self._header.dtype)
        self.problems: list[str] = []
        extra = self._check_length()
        if extra:
            self.problems.append(f"{extra} bytes after the values of the array are left out")

    def _check_length(self) -> int:
        """How many bytes stand after the array's values; `BadInput` where some of those are missing."""
        held = max(0, self._path.stat().st_size - self._header.data_offset)
        if held < self._header.data_bytes:
            rows = held // (self.bins * self._header.dtype.itemsize)
            raise BadInput(
                f"{self._path}: truncated: {held} bytes of values, about {rows} rows;"
                f" limit: {self._header.data_bytes}, the {self.rows} rows its header promises"
            )
        return held - self._header.data_bytes

    def blocks(self, chunk_rows: int) -> Iterator[Values]:
        self._check_length()
        header = self._header
        at_once = rows_at_once(chunk_rows, self.bins, header.dtype)
        with self._path.open("rb", buffering=0) as stream:
            if header.fortran_order:
                yield from self._column_major(stream, header, at_once)
                return
            for first in range(0, self.rows, at_once):
                values = np.empty((min(at_once, self.rows - first), self.bins), header.dtype)
                self._fill(stream, values, header.data_offset + first * self.bins * header.dtype.itemsize)
                yield values

    def _column_major(self, stream: FileIO, header: NpyHeader, at_once: int) -> Iterator[Values]:
        size = header.dtype.itemsize
        rows_a_pass = max(at_once, self._pass_bytes // (self.bins * size))
        held = np.empty((self.bins, min(rows_a_pass, self.rows)), header.dtype)
        for first in range(0, self.rows, rows_a_pass):
            count = min(rows_a_pass, self.rows - first)
            for column in range(self.bins):
                offset = header.data_offset + (column * self.rows + first) * size
                self._fill(stream, held[column, :count], offset)
            for start in range(0, count, at_once):
                yield held[:, start : min(start + at_once, count)].T

    def _fill(self, stream: FileIO, values: Values, offset: int) -> None:
        """Fill a contiguous array from byte `offset` on."""
        room = values.reshape(-1).view(np.uint8).data
        while room:
            count = os.preadv(stream.fileno(), [room], offset)
            if not count:
                raise BadInput(f"{self._path}: truncated: ends at byte {offset}, cut since it was opened")
            room, offset = room[count:], offset + count

    def row_times(self, name: str) -> Values:
        raise no_row_times(self._path, name, "npy")
