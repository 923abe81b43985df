"""`.h5`: one dataset of an HDF5 file, read by slices."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np

from ..errors import BadInput
from .hdf5_file import metadata_ceiling, open_hdf5
from .matrix import PASS_BYTES, Values, check_row_times, checked_shape, rows_at_once

# Chunks of a compressed dataset are kept decompressed up to this size, so that blocks smaller than a
# chunk do not decompress it again for each.
CACHE_BYTES = 32 * 1024 * 1024
# A compressed chunk is decompressed whole, whatever is read of it.
LARGEST_CHUNK_BYTES = 64 * 1024 * 1024
# No filter packs tighter; a dataset that says so has not been written.
MOST_PACKED = 100_000
# What h5py makes of libhdf5's complaints about a damaged file.
_BROKEN = (OSError, RuntimeError, ValueError, TypeError, LookupError, OverflowError, MemoryError)


class Hdf5Matrix:
    """One 2-D dataset; `dataset` (a name or a path) may be None where the file has only
    one besides `time_unix`.

    Memory: one row of chunks, at most 64 MiB of it at a time. Chunks that hold more rows than that are
    decompressed once for every 64 MiB.
    """

    format = "hdf5"

    def __init__(self, path: Path, dataset: str | None, time_unix: str | None) -> None:
        self._path = path
        with self._file() as file:
            self._dataset = dataset or self._only(file, time_unix)
            values = self._find(file, self._dataset, "dataset")
            owner = f"{path}: dataset '{self._dataset}'"
            # An empty dataspace has no shape at all.
            self.rows, self.bins = checked_shape(owner, values.shape or (), values.dtype)
            self.value_type = str(values.dtype)
            _check_storage(owner, values)
        self.problems: list[str] = []

    def blocks(self, chunk_rows: int) -> Iterator[Values]:
        with self._file() as file:
            values = self._find(file, self._dataset, "dataset")
            at_once = rows_at_once(chunk_rows, self.bins, values.dtype)
            rows_a_pass = _rows_a_pass(values, at_once)
            for first in range(0, self.rows, rows_a_pass):
                held = np.asarray(values[first : min(first + rows_a_pass, self.rows)])
                if held.shape[1:] != (self.bins,) or len(held) < min(rows_a_pass, self.rows - first):
                    raise BadInput(f"{self._path}: dataset '{self._dataset}': changed since it was opened")
                for start in range(0, len(held), at_once):
                    yield held[start : start + at_once]

    def row_times(self, name: str) -> Values:
        with self._file() as file:
            times = self._find(file, name, "time_unix")
            owner = f"{self._path}: time_unix '{name}'"
            check_row_times(owner, times.shape or (), times.dtype, self.rows)
            _check_storage(owner, times)
            return np.asarray(times[:])

    @contextmanager
    def _file(self) -> Iterator[h5py.File]:
        try:
            with open_hdf5(self._path, CACHE_BYTES) as file:
                yield file
        except BadInput:
            raise
        except _BROKEN as error:
            raise BadInput(
                f"{self._path}: truncated or not an HDF5 file: {' '.join(str(error).split())}"
            ) from None

    def _only(self, file: h5py.File, time_unix: str | None) -> str:
        others = [name for name in _datasets(file) if name != (time_unix or "").strip("/")]
        names = [name for name in others if len(self._find(file, name, "dataset").shape or ()) == 2]
        if len(names) != 1:
            listed = ", ".join(f"'{name}'" for name in names[:10]) or "no 2-D dataset"
            raise BadInput(f"{self._path}: holds {listed}; write in the sidecar which to read: dataset: NAME")
        return names[0]

    def _find(self, file: h5py.File, name: str, key: str) -> h5py.Dataset:
        try:
            with metadata_ceiling():
                found = file[name]
        except KeyError:
            found = None
        if not isinstance(found, h5py.Dataset):
            names = _datasets(file)
            near = difflib.get_close_matches(name, names, n=1)
            listed = ", ".join(f"'{each}'" for each in names[:10]) or "a file with a dataset"
            hint = f"did you mean '{near[0]}'?" if near else f"limit: {listed}"
            raise BadInput(f"{self._path}: {key}: no dataset '{name}'; {hint}")
        return found


def _datasets(file: h5py.File) -> list[str]:
    names: list[str] = []

    def visit(name: str, item: object) -> None:
        if isinstance(item, h5py.Dataset):
            names.append(name)

    with metadata_ceiling():
        file.visititems(visit)
    return names


def _check_storage(owner: str, values: h5py.Dataset) -> None:
    """`BadInput` where values stand in other files, were never written, or take more memory than may be."""
    if values.external:
        raise BadInput(f"{owner}: stands in other files; limit: values in this one")
    chunk_bytes = math.prod(values.chunks or ()) * values.dtype.itemsize
    # A chunk without filters is read in pieces.
    if values.id.get_create_plist().get_nfilters() and chunk_bytes > LARGEST_CHUNK_BYTES:
        raise BadInput(
            f"{owner}: compressed in chunks of {values.chunks}, {chunk_bytes} bytes;"
            f" limit: {LARGEST_CHUNK_BYTES}"
        )
    whole = math.prod(values.shape) * values.dtype.itemsize
    stored = values.id.get_storage_size()
    if not values.is_virtual and whole > max(PASS_BYTES, stored * MOST_PACKED):
        raise BadInput(
            f"{owner}: {whole} bytes of values, {stored} in the file; limit: values that are there"
        )


def _rows_a_pass(values: h5py.Dataset, at_once: int) -> int:
    """Whole rows of chunks where they fit, so that no chunk is decompressed twice."""
    most = max(at_once, PASS_BYTES // (values.shape[1] * values.dtype.itemsize))
    rows_a_chunk = values.chunks[0] if values.chunks else 1
    if rows_a_chunk > most:
        return most
    return -(-at_once // rows_a_chunk) * rows_a_chunk if rows_a_chunk > 1 else at_once
