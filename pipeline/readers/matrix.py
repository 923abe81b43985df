"""What every reader of power matrices offers, and what makes a matrix fit to be read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ..errors import BadInput
from ..limits import BINS_RANGE

Values = NDArray[Any]

# A block takes no more than this as float32, nor as it stands in the file, however many rows were asked for.
BLOCK_BYTES = 8 * 1024 * 1024
# What a reader may hold of a matrix whose rows lie scattered over the whole file.
PASS_BYTES = 64 * 1024 * 1024


class Matrix(Protocol):
    """Power values [rows, bins] in a file, read in blocks; nothing stays open between the blocks' passes.

    `format` says what the file is; `value_type` how it holds the values. `problems` are oddities that do
    not keep it from being read.
    """

    format: str
    value_type: str
    rows: int
    bins: int
    problems: list[str]

    def blocks(self, chunk_rows: int) -> Iterator[Values]:
        """All rows in order, real [at most chunk_rows, bins], each block to be copied before the next.

        `BadInput` where the file turns out to be broken on the way.
        """
        ...

    def row_times(self, name: str) -> Values:
        """The named array of row times, real [rows]; `BadInput` where the file has none of that name."""
        ...


def checked_shape(owner: str, shape: tuple[int, ...], dtype: np.dtype) -> tuple[int, int]:
    """Rows and bins of a matrix of real numbers; `BadInput` names `owner`, what it is and the limit."""
    if dtype.hasobject:
        raise BadInput(f"{owner}: holds Python objects; limit: plain numbers (pickles are never read)")
    if dtype.kind == "c":
        raise BadInput(f"{owner}: {dtype} samples; limit: real power values, one row a time step")
    if dtype.kind not in "iuf":
        raise BadInput(f"{owner}: values of type {dtype}; limit: integers or floats")
    if len(shape) != 2:
        raise BadInput(f"{owner}: {len(shape)}-D, shape {shape}; limit: 2-D [rows, bins]")
    rows, bins = shape
    if rows < 1:
        raise BadInput(f"{owner}: {rows} rows; limit: at least 1")
    fewest, most = BINS_RANGE
    if not fewest <= bins <= most:
        limit = f"at least {fewest}" if bins < fewest else f"at most {most}"
        raise BadInput(f"{owner}: {bins} columns; limit: {limit} frequency bins")
    return rows, bins


def rows_at_once(chunk_rows: int, bins: int, dtype: np.dtype) -> int:
    """Rows of a block: those asked for, or as many as keep it within `BLOCK_BYTES`, and at least 1."""
    return max(1, min(chunk_rows, BLOCK_BYTES // (bins * max(4, dtype.itemsize))))


def check_row_times(owner: str, shape: tuple[int, ...], dtype: np.dtype, rows: int) -> None:
    """`BadInput` unless an array is one number a row."""
    if dtype.kind not in "iuf" or shape != (rows,):
        raise BadInput(f"{owner}: shape {shape} of type {dtype}; limit: shape ({rows},), one number a row")


def no_row_times(path: Path, name: str, format_name: str) -> BadInput:
    """The error of a format that has no room for row times."""
    return BadInput(
        f"{path}: time_unix: '{name}'; limit: .npz and .h5, a {format_name} file holds the rows alone:"
        " write start and step_seconds"
    )
