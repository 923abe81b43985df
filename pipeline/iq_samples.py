"""IQ samples as they stand in memory, and what full scale is in each kind."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import BadInput
from .frames import Complex64

FULL_SCALE: dict[np.dtype[Any], tuple[float, float]] = {
    np.dtype(np.float32): (0.0, 1.0),
    np.dtype(np.int8): (0.0, 128.0),
    np.dtype(np.int16): (0.0, 32768.0),
    np.dtype(np.uint8): (127.5, 128.0),
}
"""For each kind of number: the value of zero, and how far from it full scale is.

Powers of two, as SigMF and GNU Radio have it: to scale a sample, or a window, rounds nothing. Offset
binary has its zero between two codes: an RTL2832's 0..255 is -127.5..127.5.
"""


@dataclass(frozen=True, slots=True)
class PlainSamples:
    """I and Q in turn, flat [2 n], float32, int8, int16 or uint8; a number `v` means `(v - zero) / full`."""

    numbers: NDArray[Any]
    zero: float
    full: float


def plain_samples(iq: NDArray[Any]) -> PlainSamples:
    """Samples complex [n], or interleaved integers [n, 2], as flat numbers: a view wherever that can be.

    What is strided, of the other byte order, or complex of another width is copied. Raises BadInput for
    anything else.
    """
    array = np.asarray(iq)
    if array.ndim == 1 and array.dtype.kind == "c":
        numbers: NDArray[Any] = as_samples(array).view(np.float32)
    elif array.ndim == 2 and array.shape[1] == 2 and array.dtype.name in ("int8", "int16", "uint8"):
        numbers = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("=")).reshape(-1)
    else:
        raise BadInput(
            f"IQ samples are {array.dtype} of shape {list(array.shape)}: must be complex64 of shape [n], "
            "or int8, int16 or uint8 of shape [n, 2]"
        )
    zero, full = FULL_SCALE[numbers.dtype]
    return PlainSamples(numbers, zero, full)


def as_samples(iq: Complex64) -> Complex64:
    """The samples as contiguous complex64 [n]; raises BadInput where they are not complex samples."""
    array = np.asarray(iq)
    if array.ndim != 1 or array.dtype.kind != "c":
        raise BadInput(
            f"IQ samples are {array.dtype} of shape {list(array.shape)}: must be complex64 of shape [n]"
        )
    with np.errstate(over="ignore"):
        return np.ascontiguousarray(array, dtype=np.complex64)
