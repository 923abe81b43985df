"""The header of numpy's array format, read without trusting it."""

from __future__ import annotations

import io
import struct
import tokenize
import warnings
from dataclasses import dataclass
from typing import IO

import numpy as np
from numpy.lib import format as npy_format

from ..errors import BadInput

# How the header's length is written, and who reads a header.
_VERSIONS = {
    (1, 0): ("<H", npy_format.read_array_header_1_0),
    (2, 0): ("<I", npy_format.read_array_header_2_0),
}
# What numpy itself takes for safe: a header is a Python literal.
LONGEST_HEADER_BYTES = 10_000
LONGEST_AXIS = 2**48
# The ways in which a literal, and the dtype made of it, can be wrong.
_BROKEN = (
    ValueError, TypeError, LookupError, AttributeError, ArithmeticError, SyntaxError, tokenize.TokenError,
    RecursionError, MemoryError,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class NpyHeader:
    """Shape, type and order of the array whose first value stands at byte `data_offset`."""

    shape: tuple[int, ...]
    dtype: np.dtype
    fortran_order: bool
    data_offset: int

    @property
    def data_bytes(self) -> int:
        """Bytes the array's values take, from the shape and the type."""
        count = 1
        for length in self.shape:
            count *= length
        return count * self.dtype.itemsize


def read_npy_header(stream: IO[bytes], owner: str) -> NpyHeader:
    """The header at the start of `stream`, which is left at the first value; `BadInput` names `owner`.

    Source: NEP 1; versions 1.0 and 2.0 (3.0 is for structured types with Unicode names, no matrix).
    """
    version = (0, 0)
    try:
        version = npy_format.read_magic(stream)
        header = _literal(stream, version) if version in _VERSIONS else None
    except _BROKEN as error:
        raise BadInput(f"{owner}: broken npy header: {' '.join(str(error).split())[:200]}") from None
    if header is None:
        raise BadInput(f"{owner}: npy version {version[0]}.{version[1]}; limit: 1.0 or 2.0")
    shape, fortran_order, dtype = header
    if not all(0 <= length <= LONGEST_AXIS for length in shape):
        shown = str([min(max(length, -1), LONGEST_AXIS + 1) for length in shape[:8]])
        raise BadInput(f"{owner}: broken npy header: axes {shown}; limit: 0 to {LONGEST_AXIS} long each")
    return NpyHeader(shape, dtype, fortran_order, stream.tell())


def _literal(stream: IO[bytes], version: tuple[int, int]) -> tuple[tuple[int, ...], bool, np.dtype]:
    length_type, read = _VERSIONS[version]
    raw = stream.read(struct.calcsize(length_type))
    text = b""
    if len(raw) == struct.calcsize(length_type):
        (length,) = struct.unpack(length_type, raw)
        if length > LONGEST_HEADER_BYTES:  # before 4 GiB are asked for
            raise ValueError(f"{length} bytes; limit: {LONGEST_HEADER_BYTES}")
        text = stream.read(length)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what Python 2 wrote is slow to parse, not wrong
        return read(io.BytesIO(raw + text))
