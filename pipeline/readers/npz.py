"""`.npz`: one matrix of a zip of numpy arrays, decompressed as a stream."""

from __future__ import annotations

import difflib
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import numpy as np

from ..errors import BadInput
from .matrix import PASS_BYTES, Values, check_row_times, checked_shape, rows_at_once
from .npy_header import NpyHeader, read_npy_header

_COMPRESSIONS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_SKIP_BYTES = 1024 * 1024


class NpzMatrix:
    """One array of an npz file; `array` may be None where no other but `time_unix` is in it.

    Memory: one block of a row-major array. A column-major one (numpy's Fortran order) holds the first
    row's values far apart: it is decompressed once for every `pass_bytes` of it.
    """

    format = "npz"

    def __init__(
        self, path: Path, array: str | None, time_unix: str | None, pass_bytes: int = PASS_BYTES
    ) -> None:
        self._path = path
        self._pass_bytes = pass_bytes
        with _one_line_errors(path), zipfile.ZipFile(path) as archive:
            names = [each.removesuffix(".npy") for each in archive.namelist() if each.endswith(".npy")]
            self._array = array or self._only(names, time_unix)
        with self._member(self._array, "array") as (_, header):
            self.rows, self.bins = checked_shape(self._owner, header.shape, header.dtype)
        self.value_type = str(header.dtype)
        self.problems: list[str] = []

    @property
    def _owner(self) -> str:
        return f"{self._path}: array '{self._array}'"

    def _only(self, names: list[str], time_unix: str | None) -> str:
        others = [name for name in names if name != time_unix]
        if len(others) != 1:
            raise BadInput(
                f"{self._path}: holds {_listed(others)}; write in the sidecar which to read: array: NAME"
            )
        return others[0]

    def blocks(self, chunk_rows: int) -> Iterator[Values]:
        with self._member(self._array, "array") as (_, header):
            pass
        row_bytes = self.bins * header.dtype.itemsize
        chunk_rows = rows_at_once(chunk_rows, self.bins, header.dtype)
        if not header.fortran_order:
            with self._member(self._array, "array") as (stream, header):
                for first in range(0, self.rows, chunk_rows):
                    count = min(chunk_rows, self.rows - first)
                    values = np.frombuffer(self._read(stream, count * row_bytes), header.dtype)
                    yield values.reshape(count, self.bins)
                stream.read(1)  # the end of the member: its checksum is compared here
            return
        rows_a_pass = max(chunk_rows, self._pass_bytes // row_bytes)
        held = np.empty((self.bins, min(rows_a_pass, self.rows)), header.dtype)
        for first in range(0, self.rows, rows_a_pass):
            columns = held[:, : self.rows - first]
            self._read_columns(first, columns)
            for start in range(0, columns.shape[1], chunk_rows):
                yield columns[:, start : start + chunk_rows].T

    def _read_columns(self, first: int, columns: Values) -> None:
        """Fill [bins, n] with n rows from `first` on of a column-major array."""
        end = first + columns.shape[1]
        with self._member(self._array, "array") as (stream, header):
            size = header.dtype.itemsize
            for column in columns:
                self._skip(stream, first * size)
                column[:] = np.frombuffer(self._read(stream, (end - first) * size), header.dtype)
                self._skip(stream, (self.rows - end) * size)
            stream.read(1)

    def row_times(self, name: str) -> Values:
        owner = f"{self._path}: time_unix '{name}'"
        with self._member(name, "time_unix") as (stream, header):
            check_row_times(owner, header.shape, header.dtype, self.rows)
            values = np.frombuffer(self._read(stream, header.data_bytes), header.dtype)
            stream.read(1)
            return values

    @contextmanager
    def _member(self, name: str, key: str) -> Iterator[tuple[IO[bytes], NpyHeader]]:
        """The named array's bytes, at its first value, and its header; every fault is a `BadInput`."""
        with _one_line_errors(self._path), zipfile.ZipFile(self._path) as archive:
            names = [each.removesuffix(".npy") for each in archive.namelist() if each.endswith(".npy")]
            if name not in names:
                near = difflib.get_close_matches(name, names, n=1)
                hint = f"did you mean '{near[0]}'?" if near else f"limit: {_listed(names)}"
                raise BadInput(f"{self._path}: {key}: no array '{name}'; {hint}")
            owner = f"{self._path}: array '{name}'"
            method = archive.getinfo(f"{name}.npy").compress_type
            if method not in _COMPRESSIONS:
                raise BadInput(f"{owner}: compression {method}; limit: stored or deflated, as numpy does")
            with archive.open(f"{name}.npy") as stream:
                header = read_npy_header(stream, owner)
                held = archive.getinfo(f"{name}.npy").file_size - header.data_offset
                if held < header.data_bytes and not header.dtype.hasobject:
                    raise BadInput(
                        f"{owner}: truncated: {held} bytes of values; limit: {header.data_bytes},"
                        " as its header promises"
                    )
                yield stream, header

    def _read(self, stream: IO[bytes], size: int) -> bytes:
        data = stream.read(size)
        if len(data) != size:
            raise BadInput(f"{self._owner}: truncated: ends {size - len(data)} bytes early")
        return data

    def _skip(self, stream: IO[bytes], size: int) -> None:
        while size > 0:
            size -= len(self._read(stream, min(size, _SKIP_BYTES)))


def _listed(names: list[str]) -> str:
    return ", ".join(f"'{name}'" for name in names[:10]) + (" ..." if len(names) > 10 else "") or "no array"


@contextmanager
def _one_line_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except BadInput:
        raise
    except zipfile.BadZipFile as error:
        raise BadInput(f"{path}: truncated or not an npz file: {error}") from None
    except (zlib.error, EOFError, struct.error, RuntimeError, OSError, ValueError, OverflowError) as error:
        # RuntimeError: an encrypted member or a newer zip (NotImplementedError); ValueError: offsets
        # outside the file and names that are not UTF-8.
        raise BadInput(f"{path}: cannot be decompressed: {' '.join(str(error).split())}") from None
