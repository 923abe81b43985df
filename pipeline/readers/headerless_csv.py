"""`.csv` without a header: one row a line, decimal values between commas."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from io import BufferedReader
from pathlib import Path

import numpy as np

from ..errors import BadInput
from .dated_lines import begins_dated
from .matrix import Values, checked_shape, no_row_times, rows_at_once

LONGEST_LINE_BYTES = 16 * 1024 * 1024
_NUMBER_BYTES = b"0123456789+-.eE, \t"
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def matches(path: Path, head: bytes) -> bool:
    """Any text; `BadInput` for lines that begin with a date, of which no sidecar makes a matrix."""
    if begins_dated(head):
        raise BadInput(
            f"{path}: line 1 begins with a date, but has not as many values as rtl_power or soapy_power"
            f" write; if it is theirs say in {path.name}.yaml which: format: rtl_power or soapy_power"
        )
    return True


class CsvMatrix:
    """A table of numbers as text, read line by line.

    Opening passes over the whole file once: it counts rows and columns and finds cut lines, words and
    bytes that are not text. `nan` and `inf` are numbers. Empty lines may stand at the end only.
    """

    format = "csv"
    value_type = "text"

    def __init__(self, path: Path) -> None:
        self._path = path
        self.problems: list[str] = []
        columns = rows = 0
        with path.open("rb") as stream:
            for number, line in self._lines(stream):
                found = line.count(b",") + 1
                columns = columns or found
                if found != columns:
                    cut = " (the file is cut)" if not stream.peek(1) else ""
                    raise BadInput(
                        f"{path}: line {number}: {found} columns; limit: {columns}, as in line 1{cut}"
                    )
                if (
                    line.translate(None, _NUMBER_BYTES)
                    or b",," in line
                    or line[:1] == b","
                    or line[-1:] == b","
                ):
                    self._numbers(number, line)
                rows = number
            stream.seek(-1, 2)
            if stream.read(1) != b"\n":
                self.problems.append(f"line {rows}: no line end: its last value may be cut")
        self.rows, self.bins = checked_shape(str(path), (rows, columns), np.dtype(np.float64))

    def blocks(self, chunk_rows: int) -> Iterator[Values]:
        # Decimals become float64 at once: a Python number takes four times as much.
        held = np.empty((rows_at_once(chunk_rows, self.bins, np.dtype(np.float64)), self.bins))
        number = filled = 0
        with self._path.open("rb") as stream:
            for number, line in self._lines(stream):
                if number > self.rows:
                    break  # written since it was opened: the row count stands
                values = self._numbers(number, line)
                if len(values) != self.bins:
                    raise BadInput(f"{self._path}: line {number}: changed since it was opened")
                held[filled] = values
                filled += 1
                if filled == len(held):
                    yield held
                    filled = 0
        if number < self.rows:
            raise BadInput(f"{self._path}: {number} rows, {self.rows} when it was opened")
        if filled:
            yield held[:filled]

    def row_times(self, name: str) -> Values:
        raise no_row_times(self._path, name, "csv")

    def _lines(self, stream: BufferedReader) -> Iterator[tuple[int, bytes]]:
        """Lines with their numbers from 1, without line ends; memory is bounded by the longest allowed."""
        number = 0
        empty_at = 0
        while line := stream.readline(LONGEST_LINE_BYTES + 1):
            number += 1
            if len(line) > LONGEST_LINE_BYTES:
                raise BadInput(
                    f"{self._path}: line {number}: longer than {LONGEST_LINE_BYTES} bytes, the limit"
                )
            if number == 1:
                line = line.removeprefix(_BYTE_ORDER_MARK)
            line = line.rstrip(b"\r\n")
            if not line.strip():
                empty_at = empty_at or number
                continue
            if empty_at:
                raise BadInput(f"{self._path}: line {empty_at}: empty; limit: empty lines at the end only")
            yield number, line

    def _numbers(self, number: int, line: bytes) -> list[float]:
        with suppress(ValueError):  # found again below, with its column
            if b"_" not in line:  # Python reads 1_000 as a number, the field does not
                return [float(cell) for cell in line.split(b",")]
        try:
            line.decode()
        except UnicodeDecodeError as error:
            raise BadInput(
                f"{self._path}: line {number}: byte {error.start} is 0x{line[error.start]:02x};"
                " limit: UTF-8 text"
            ) from None
        cells = enumerate(line.split(b","), start=1)
        column, wrong = next((column, cell) for column, cell in cells if not _is_number(cell))
        raise BadInput(
            f"{self._path}: line {number}, column {column}: {wrong.decode().strip()[:40]!r} is not a number;"
            " limit: numbers between commas, no header"
        )


def _is_number(cell: bytes) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return b"_" not in cell
