"""How IQ samples stand in bytes, and the bytes of a file in order."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ..errors import BadInput
from ..frames import read_only
from .iq_reader import Samples


@dataclass(frozen=True, slots=True)
class SampleLayout:
    """`sample_bytes` hold I then Q; `decode` makes whole samples of bytes, in place where it can."""

    name: str
    sample_bytes: int
    decode: Callable[[bytes], Samples]


def pairs(dtype: str) -> Callable[[bytes], Samples]:
    """Integers that `PowerSpectrum` takes as they stand: read-only [n, 2]."""
    return lambda data: np.frombuffer(data, dtype).reshape(-1, 2)


def scaled(dtype: str, full_scale: float) -> Callable[[bytes], Samples]:
    """Other numbers -> complex64 [n] with full scale 1.0."""

    def decode(data: bytes) -> Samples:
        return as_complex(np.frombuffer(data, dtype), full_scale)

    return decode


def decode_24_bit(data: bytes) -> Samples:
    """Little-endian 24-bit integers -> complex64 [n]."""
    wide = np.zeros((len(data) // 3, 4), np.uint8)
    wide[:, 1:] = np.frombuffer(data, np.uint8).reshape(-1, 3)
    return as_complex(wide.view("<i4").ravel(), 2.0**31)


def decode_complex64(data: bytes) -> Samples:
    """complex64 as it stands, read-only [n]."""
    return np.frombuffer(data, "<c8")


def as_complex(values: NDArray[np.generic], full_scale: float) -> Samples:
    """I, Q, I, Q, ... [2n] -> complex64 [n]; what it cannot hold becomes infinite."""
    with np.errstate(over="ignore"):
        floats = np.divide(values, full_scale, dtype=np.float64).astype(np.float32)
    return read_only(floats.view(np.complex64))


CU8 = SampleLayout("cu8", 2, pairs("u1"))
CS8 = SampleLayout("cs8", 2, pairs("i1"))
CS16 = SampleLayout("cs16", 4, pairs("<i2"))
CF32 = SampleLayout("cf32", 8, decode_complex64)


class ByteSource(Protocol):
    """Bytes that can be passed over again and again; nothing stays open in between."""

    size: int

    def chunks(self, first: int, count: int, chunk_bytes: int) -> Iterator[bytes]:
        """Bytes [first, first + count), each chunk of `chunk_bytes` but the last; `BadInput` if they end."""
        ...


class FileBytes:
    """Bytes [offset, offset + size) of a file, read and not mapped."""

    def __init__(self, path: Path, offset: int = 0, size: int | None = None) -> None:
        self._path = path
        self._offset = offset
        self.size = max(0, file_size(path) - offset) if size is None else size

    def chunks(self, first: int, count: int, chunk_bytes: int) -> Iterator[bytes]:
        with file_errors(self._path), self._path.open("rb", buffering=0) as stream:
            stream.seek(self._offset + first)
            while count > 0:
                data = stream.read(min(count, chunk_bytes))
                if len(data) != min(count, chunk_bytes):
                    raise ended_early(self._path)
                count -= len(data)
                yield data


def file_size(path: Path) -> int:
    """Bytes of a file; `BadInput` where it cannot be read."""
    with file_errors(path), path.open("rb") as stream:
        return stream.seek(0, 2)


def ended_early(path: Path) -> BadInput:
    """The error of a file that held more when it was opened."""
    return BadInput(f"{path}: truncated: it ends before the samples it held when it was opened")


@contextmanager
def file_errors(path: Path) -> Iterator[None]:
    """The system's errors as `BadInput`."""
    try:
        yield
    except OSError as error:
        raise BadInput(f"{path}: cannot be read: {error.strerror or error}") from None
