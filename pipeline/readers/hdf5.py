"""`.h5`: one dataset of an HDF5 file, read by slices."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np

from ..errors import BadInput
from .matrix import Values, check_row_times, checked_shape

# Chunks of a compressed dataset are kept decompressed up to this size, so that blocks smaller than a
# chunk do not decompress it again for each.
CACHE_BYTES = 32 * 1024 * 1024


class Hdf5Matrix:
    """One 2-D dataset; `dataset` (a name or a path) may be None where the file has only
    one besides `time_unix`."""

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
        self.problems: list[str] = []

    def blocks(self, chunk_rows: int) -> Iterator[Values]:
        with self._file() as file:
            values = self._find(file, self._dataset, "dataset")
            for first in range(0, self.rows, chunk_rows):
                yield np.asarray(values[first : min(first + chunk_rows, self.rows)])

    def row_times(self, name: str) -> Values:
        with self._file() as file:
            times = self._find(file, name, "time_unix")
            owner = f"{self._path}: time_unix '{name}'"
            check_row_times(owner, times.shape or (), times.dtype, self.rows)
            return np.asarray(times[:])

    @contextmanager
    def _file(self) -> Iterator[h5py.File]:
        try:
            with h5py.File(self._path, "r", rdcc_nbytes=CACHE_BYTES) as file:
                yield file
        except BadInput:
            raise
        except (OSError, RuntimeError, ValueError) as error:
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

    file.visititems(visit)
    return names
