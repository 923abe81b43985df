"""Lines of `date, time, Hz low, Hz high, Hz step, samples, dB, dB, ...`, which rtl_power began."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from ..limits import BINS_RANGE, MOST_CENTER_HZ
from .local_clock import LocalClock

LONGEST_LINE_BYTES = 16 * 1024 * 1024
BUFFER_BYTES = 256 * 1024
COLUMNS = "date, time, Hz low, Hz high, Hz step, samples, dB, dB, ..."

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_DATED = re.compile(rb"\s*\d{4}-\d\d-\d\d\s*,\s*\d\d:\d\d:\d\d\s*,")  # a fraction is hackrf_sweep's
_NUMBER_BYTES = b"0123456789+-.eE, \t"
_NOT_FINITE = re.compile(rb"(?i:nan|infinity|inf)*")
_LEAST_STEP_HZ = 1e-6


@dataclass(frozen=True, slots=True)
class DatedLine:
    """One line: what its first columns say (`low` is Hz low as it stands), and its last `count`, as text."""

    place: str
    time_ns: int
    low: bytes
    low_hz: float
    high_hz: float
    step_hz: float
    values: bytes
    count: int

    @property
    def bins_said(self) -> int:
        """How many steps lie between Hz low and Hz high."""
        return round((self.high_hz - self.low_hz) / self.step_hz)


def dated_lines(path: Path, clock: LocalClock, *, look_at_values: bool = True) -> Iterator[DatedLine | str]:
    """Every line in order, and a text for each that cannot be read.

    With `look_at_values` also one for each line with values that cannot; such a line comes all the same.
    Memory: a line, of at most 16 MiB.
    """
    with path.open("rb", buffering=BUFFER_BYTES) as stream:
        number = 0
        while line := stream.readline(LONGEST_LINE_BYTES):
            number += 1
            place = f"line {number}"
            if number == 1:
                line = line.removeprefix(_BYTE_ORDER_MARK)
            ended = line.endswith(b"\n")
            if not ended and not _at_end(stream, line):
                yield f"{place}: longer than {LONGEST_LINE_BYTES} bytes, the limit: left out"
                continue
            if line.isspace():
                continue
            yield from _read(place, line, clock, look_at_values)
            if not ended:
                yield f"{place}: no line end: its last value may be cut"


def begins_dated(head: bytes) -> bool:
    """Whether a file's first bytes are a date and a time to the second, as columns."""
    return _DATED.match(head.removeprefix(_BYTE_ORDER_MARK).lstrip()) is not None


def first_dated(path: Path, head: bytes) -> DatedLine | None:
    """The first line of a file that starts with a date and a time to the second, if it does."""
    if not begins_dated(head):
        return None
    for line in dated_lines(path, LocalClock(None), look_at_values=False):
        return None if isinstance(line, str) else line
    return None


def numbers(values: bytes) -> NDArray[np.float64]:
    """Values between commas, float64 [n]; NaN for what is not a number."""
    cells = values.split(b",")
    if b"_" not in values:  # Python reads 1_000 as a number, the field does not
        with suppress(ValueError):  # read again below, cell by cell
            return np.array(cells, dtype=np.float64)
    return np.array([_number(cell) for cell in cells])


def _read(place: str, line: bytes, clock: LocalClock, look_at_values: bool) -> Iterator[DatedLine | str]:
    cells = line.rstrip(b", \t\r\n").split(b",", 6)
    if len(cells) < 7:
        yield f"{place}: {len(cells)} columns; limit: {COLUMNS}: left out"
        return
    try:
        time_ns, told = clock.read(cells[0], cells[1])
    except ValueError as error:
        yield f"{place}: {error}: left out"
        return
    low_hz, high_hz, step_hz = (_number(cell) for cell in cells[2:5])
    if not -2 * MOST_CENTER_HZ <= low_hz < high_hz <= 2 * MOST_CENTER_HZ or not step_hz >= _LEAST_STEP_HZ:
        found = ", ".join(cell.decode(errors="replace").strip()[:20] for cell in cells[2:5])
        yield f"{place}: Hz low, high, step are {found!r}; limit: numbers, low below high: left out"
        return
    values = cells[6]
    count = values.count(b",") + 1
    if count > BINS_RANGE[1] + 1:
        yield f"{place}: {count} values; limit: {BINS_RANGE[1]}: left out"
        return
    if told is not None:
        yield f"{place}: {told}"
    if look_at_values and (wrong := _unreadable(values)):
        yield f"{place}: {wrong} of {count} values are not numbers: NaN in their place"
    yield DatedLine(place, time_ns, cells[2], low_hz, high_hz, step_hz, values, count)


def _at_end(stream: BinaryIO, line: bytes) -> bool:
    """Whether a line without an end is the file's last; where it is too long, the rest of it is skipped."""
    if len(line) < LONGEST_LINE_BYTES:
        return True
    while line and not line.endswith(b"\n"):
        line = stream.readline(LONGEST_LINE_BYTES)
    return False


def _unreadable(values: bytes) -> int:
    """How many values hold bytes that no number does: digits out of order are not looked for."""
    left = values.translate(None, _NUMBER_BYTES)
    if _NOT_FINITE.fullmatch(left):
        return 0
    return sum(not _is_number(cell) for cell in values.split(b","))


def _number(cell: bytes) -> float:
    try:
        return math.nan if b"_" in cell else float(cell)
    except ValueError:
        # What Microsoft's C library prints for infinity, to two decimals and in full.
        text = cell.strip().upper()
        if text.endswith((b"1.#J", b"1.#INF")):
            return -math.inf if text.startswith(b"-") else math.inf
        return math.nan


def _is_number(cell: bytes) -> bool:
    return b"#" in cell or not math.isnan(_number(cell)) or bool(re.fullmatch(rb"(?i)\s*[+-]?nan\s*", cell))
