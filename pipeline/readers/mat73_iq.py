"""MATLAB's version 7.3 files: HDF5, a complex vector being a dataset of pairs `real`, `imag`."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np

from ..errors import BadInput
from ..frames import read_only
from ..sidecar import Sidecar
from .hdf5_file import metadata_ceiling, open_hdf5
from .iq_reader import IqReader, Samples
from .mat_names import origin_named
from .reader import Opening
from .variable_iq import VariableIq, chosen

MAGIC = b"\x89HDF\r\n\x1a\n"
LARGEST_CHUNK_BYTES = 32 * 1024 * 1024
_CACHE_BYTES = 1024 * 1024
_PIECE_SAMPLES = 1 << 18  # read at a time: numbers of 8 bytes take little beside the block they become
MOST_OBJECTS = 10_000
MOST_TEXT = 1024
# What any of HDF5's filters can make of a byte: deflate's limit, rounded up.
_MOST_RATIO = 1100
_FULL_SCALES = {"f4": 1.0, "f8": 1.0, "i1": 2.0**7, "i2": 2.0**15, "i4": 2.0**31}


def is_mat73(head: bytes) -> bool:
    """Whether a file begins as HDF5, with MATLAB's 512 bytes before it or without."""
    return head[:10] == b"MATLAB 7.3" or head[512:520] == MAGIC or head[:8] == MAGIC


def open_mat73_iq(path: Path, sidecar: Sidecar, _opening: Opening) -> IqReader:
    """The complex vector that the sidecar's `array` names, or the only one; its origin by the usual names."""
    found: dict[str, _Mat73Vector] = {}
    values: dict[str, float | str] = {}
    with _file(path) as file, metadata_ceiling():
        for name, item in _datasets(file):
            vector = _vector_in(path, name, item)
            if vector is not None:
                found[name] = vector
            elif (value := _value(item)) is not None:
                values[name.rsplit("/", 1)[-1]] = value
    return VariableIq(path, "mat 7.3", chosen(path, sidecar, found), sidecar, origin_named(values))


class _Mat73Vector:
    """A dataset [n, 1] or [1, n] of pairs, or [2, n] of real numbers (MATLAB's n x 2), read by slices."""

    def __init__(self, path: Path, name: str, dataset: h5py.Dataset) -> None:
        self._path = path
        self._name = name
        self.is_complex = dataset.dtype.names is not None
        self.samples = max(dataset.shape)
        # Blocks need not end where chunks do: the chunk in which one ends is kept for the next, no more.
        self._cache_bytes = max(_CACHE_BYTES, _chunk_bytes(dataset))
        self.shape = dataset.shape
        kind = dataset.dtype["real"] if self.is_complex else dataset.dtype
        self.full_scale = _FULL_SCALES[kind.str[1:]]
        shape = " x ".join(str(length) for length in reversed(dataset.shape))
        self.sample_type = f"{'complex ' if self.is_complex else ''}{kind.name} {shape}"

    def blocks(self, first: int, samples: int, block_samples: int) -> Iterator[Samples]:
        with _file(self._path, self._cache_bytes) as file:
            with metadata_ceiling():
                dataset = file.get(self._name)
            if not isinstance(dataset, h5py.Dataset) or dataset.shape != self.shape:
                raise BadInput(f"{self._path}: changed since it was opened")
            end = first + samples
            for start in range(first, end, block_samples):
                block = np.empty(min(block_samples, end - start), np.complex64)
                for piece in range(0, block.size, _PIECE_SAMPLES):
                    part = block[piece : piece + _PIECE_SAMPLES]
                    where = slice(start + piece, start + piece + part.size)
                    self._decode(np.asarray(dataset[self._where(where)]), part)
                yield read_only(block)

    def _where(self, part: slice) -> tuple[slice, ...]:
        if len(self.shape) == 1:
            return (part,)
        return (slice(None), part) if self.shape[1] == self.samples else (part, slice(None))

    def _decode(self, values: np.ndarray, block: Samples) -> None:
        i, q = (values["real"].ravel(), values["imag"].ravel()) if self.is_complex else values
        with np.errstate(over="ignore", invalid="ignore"):
            block.real = i / self.full_scale
            block.imag = q / self.full_scale


def _vector_in(path: Path, name: str, dataset: h5py.Dataset) -> _Mat73Vector | None:
    """A dataset as samples; None where it is something else, `BadInput` where it promises too much."""
    dtype, shape = dataset.dtype, dataset.shape or ()
    paired = dtype.names == ("real", "imag") and dtype["real"] == dtype["imag"]
    kind = dtype["real"] if paired else dtype
    if kind.str[1:] not in _FULL_SCALES or not 1 <= len(shape) <= 2 or max(shape) < 8:
        return None
    across = min(shape) if len(shape) == 2 else 1
    if across != 1 if paired else (len(shape) != 2 or shape[0] != 2):
        return None
    owner = f"{path}: '{name}'"
    if dataset.external or dataset.is_virtual:
        raise BadInput(f"{owner}: stands in other files; limit: values in this one")
    if _chunk_bytes(dataset) > LARGEST_CHUNK_BYTES:
        raise BadInput(f"{owner}: chunks of {_chunk_bytes(dataset):,} bytes; limit: {LARGEST_CHUNK_BYTES:,}")
    promised = max(shape) * across * dtype.itemsize
    held = dataset.id.get_storage_size()
    if promised > held * _MOST_RATIO:
        raise BadInput(
            f"{owner}: {promised:,} bytes of samples; limit: {_MOST_RATIO} times the {held:,} stored"
        )
    return _Mat73Vector(path, name, dataset)


def _chunk_bytes(dataset: h5py.Dataset) -> int:
    return math.prod(dataset.chunks) * dataset.dtype.itemsize if dataset.chunks else 0


def _value(dataset: h5py.Dataset) -> float | str | None:
    """A real number or a short text; None where a dataset is something else."""
    size = dataset.size or 0
    if not 1 <= size <= MOST_TEXT or dataset.dtype.kind not in "iuf":
        return None
    values = np.asarray(dataset[()]).ravel()
    matlab_class = dataset.attrs.get("MATLAB_class")
    if matlab_class in (b"char", "char") and values.dtype.kind == "u":
        return values.astype("<u2").tobytes().decode("utf-16-le", errors="replace").strip("\0 ")
    return float(values[0]) if size == 1 else None


def _datasets(file: h5py.File) -> list[tuple[str, h5py.Dataset]]:
    """Datasets of the file and of its groups (structs), MATLAB's own `#refs#` left out."""
    found: list[tuple[str, h5py.Dataset]] = []

    def look(name: str, item: object) -> bool | None:
        if isinstance(item, h5py.Dataset) and not name.startswith("#"):
            found.append((name, item))
        return True if len(found) >= MOST_OBJECTS else None

    file.visititems(look)
    return found


@contextmanager
def _file(path: Path, cache_bytes: int = _CACHE_BYTES) -> Iterator[h5py.File]:
    try:
        with open_hdf5(path, cache_bytes) as file:
            yield file
    except BadInput:
        raise
    except (OSError, RuntimeError, ValueError, KeyError, TypeError, MemoryError) as error:
        text = " ".join(str(error).split()) or type(error).__name__
        raise BadInput(f"{path}: truncated or not an HDF5 file: {text}") from None
