"""The header of numpy's array format, read without trusting it."""

from __future__ import annotations

import tokenize
import warnings
from dataclasses import dataclass
from typing import IO

import numpy as np
from numpy.lib import format as npy_format

from ..errors import BadInput

_VERSIONS = {(1, 0): npy_format.read_array_header_1_0, (2, 0): npy_format.read_array_header_2_0}


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
    try:
        version = npy_format.read_magic(stream)
        read = _VERSIONS.get(version)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what Python 2 wrote is slow to parse, not wrong
            header = None if read is None else read(stream)
    except (ValueError, TypeError, SyntaxError, tokenize.TokenError, RecursionError) as error:
        raise BadInput(f"{owner}: broken npy header: {' '.join(str(error).split())[:200]}") from None
    if header is None:
        raise BadInput(f"{owner}: npy version {version[0]}.{version[1]}; limit: 1.0 or 2.0")
    shape, fortran_order, dtype = header
    return NpyHeader(shape, dtype, fortran_order, stream.tell())
