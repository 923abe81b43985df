"""What a `Data` message of NIST's sensors says of the rows after it.

Source: the MSOD transfer specification (see `nist_messages.py`); where it says nothing, its server.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from io import BufferedReader
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import BadInput
from ..frames import NS_PER_S
from ..limits import BINS_RANGE, LATEST_DAY, LATEST_NS, MOST_CENTER_HZ, MOST_STEP_HZ
from .byte_search import growing_blocks
from .nist_messages import Message, numeric

LONGEST_TEXT_BYTES = 16 * 1024 * 1024
PIECE_BYTES = 256 * 1024
_BINARY = re.compile(r"binary\W*(int8|int16|float32)", re.IGNORECASE)
_TEXT_END = re.compile(rb"[\]{]")
_BIG_ENDIAN = ("network", "big endian")
_MOST_SECONDS = LATEST_NS // NS_PER_S


@dataclass(frozen=True, slots=True)
class Axes:
    """Bins of a row; `first_hz` is the centre of the lowest."""

    bins: int
    first_hz: float
    bin_hz: float


@dataclass(frozen=True, slots=True)
class Acquisition:
    """The data block of one `Data` message: `rows` of them, from its `data_at` on, the first at `time_ns`.

    `dtype` is None where the values are text. A stream has as many rows as follow (`rows` None).
    """

    message: Message
    axes: Axes
    time_ns: int
    step_ns: int
    rows: int | None
    dtype: np.dtype | None

    @property
    def row_bytes(self) -> int:
        """Bytes of a binary row."""
        assert self.dtype is not None
        return self.axes.bins * self.dtype.itemsize


def acquisition(message: Message, step_ns: int | None) -> Acquisition:
    """What a `Data` message says, its times in UTC; `step_ns` goes before what it says of the step.

    `BadInput` names the field, what it holds and the limit.
    """
    fields = message.fields
    measured = fields.get("mPar")
    if not isinstance(measured, dict):
        raise BadInput("no mPar; limit: n, fStart and fStop in it")
    compression = str(fields.get("Compression", "None"))
    if compression.lower() not in ("none", "n/a", "nan"):
        # The specification gives a compressed block no length, and its server never undid one.
        raise BadInput(f"Compression: {compression[:40]!r}; limit: None, a compressed block has no known end")
    rows = numeric(fields.get("nM"))
    if rows is None or rows != int(rows) or not -1 <= rows < 2**53:
        raise BadInput(f"nM: {_shown(fields.get('nM'))}; limit: a whole number, -1 for a stream")
    dtype = data_type(fields)
    if dtype is None and rows < 0:
        raise BadInput("DataType: 'ASCII' in a stream; limit: binary where nM is -1")
    return Acquisition(
        message,
        _axes(measured),
        _time_ns(fields),
        _step_ns(fields, measured, int(rows)) if step_ns is None else step_ns,
        None if rows < 0 else int(rows),
        dtype,
    )


def data_type(fields: dict[str, Any]) -> np.dtype | None:
    """Type of the values after a header, None for text; without a byte order it is little-endian."""
    name = str(fields.get("DataType"))
    if name.strip().upper() == "ASCII":
        return None
    found = _BINARY.fullmatch(name.strip())
    if found is None:
        raise BadInput(f"DataType: {name[:40]!r}; limit: Binary - int8, int16 or float32, or ASCII")
    big = str(fields.get("ByteOrder")).lower() in _BIG_ENDIAN
    return np.dtype(found[1].lower()).newbyteorder(">" if big else "<")


def text_block(stream: BufferedReader, at: int) -> tuple[int, NDArray[np.float64]]:
    """The byte after a block of text, `[v, v, ...]`, that begins at byte `at`, and its values [n]."""
    end, whole = _end_of_text(stream, at)
    stream.seek(at)
    text = stream.read(end - at)
    if not text.lstrip().startswith(b"["):
        raise BadInput("no values between [ and ] after it; limit: [v, v, ...]")
    if not whole:
        # The last value may be cut too, and the length of the next header follows it.
        text = text[: text.rfind(b",") + 1]
        end = at + len(text)
    try:
        return end, _numbers(text.lstrip().removeprefix(b"[").removesuffix(b"]"))
    except ValueError:
        raise BadInput("its values are not numbers between commas; limit: [v, v, ...]") from None


def _numbers(text: bytes) -> NDArray[np.float64]:
    """Numbers between commas; a piece at a time: a Python number takes far more room than its digits."""
    pieces: list[NDArray[np.float64]] = []
    at = 0
    while at < len(text):
        comma = text.find(b",", at + PIECE_BYTES)
        end = len(text) if comma < 0 else comma
        cells = text[at:end].split(b",")
        pieces.append(np.array([float(cell) for cell in cells if cell.strip()]))
        at = end + 1
    return np.concatenate(pieces) if pieces else np.empty(0)


def _end_of_text(stream: BufferedReader, at: int) -> tuple[int, bool]:
    """Where a block of text ends and whether that is its own end: it is cut where another header stands."""
    end = at
    for block_at, block in growing_blocks(stream, at, 0):
        found = _TEXT_END.search(block)
        if found is not None:
            whole = found[0] == b"]"
            return block_at + found.end() - (not whole), whole
        end = block_at + len(block)
        if end - at > LONGEST_TEXT_BYTES:
            raise BadInput(f"more than {LONGEST_TEXT_BYTES} bytes of values as text; limit: as many")
    return end, False


def after_calibration(stream: BufferedReader, message: Message) -> int:
    """The byte after a `Sys` message and the calibration values that may follow it."""
    calibration = message.fields.get("Cal")
    if not isinstance(calibration, dict):
        return message.data_at
    measured = calibration.get("mPar")
    count = numeric(measured.get("n")) if isinstance(measured, dict) else None
    times = numeric(calibration.get("nM"))
    if not count or not times or not 0 < count * times < 2**53:
        return message.data_at
    dtype = data_type(calibration)
    if dtype is None:
        return text_block(stream, message.data_at)[0]
    return message.data_at + int(count * times) * dtype.itemsize


def _axes(measured: dict[str, Any]) -> Axes:
    # The server gives every bin (fStop - fStart) / n, swept or not: fStart and fStop are edges.
    bins = numeric(measured.get("n"))
    fewest, most = BINS_RANGE
    if bins is None or bins != int(bins) or not fewest <= bins <= most:
        raise BadInput(f"mPar.n: {_shown(measured.get('n'))}; limit: {fewest} to {most} frequency bins")
    low_hz, high_hz = numeric(measured.get("fStart")), numeric(measured.get("fStop"))
    if low_hz is None or high_hz is None or not -MOST_CENTER_HZ <= low_hz < high_hz <= MOST_CENTER_HZ:
        pair = f"{_shown(measured.get('fStart'))} and {_shown(measured.get('fStop'))}"
        raise BadInput(f"mPar.fStart and fStop: {pair}; limit: Hz, rising, below {MOST_CENTER_HZ:g}")
    bin_hz = (high_hz - low_hz) / bins
    if not 0 < bin_hz <= MOST_STEP_HZ:
        raise BadInput(f"mPar: {bin_hz:g} Hz a bin; limit: above 0, up to {MOST_STEP_HZ:g}")
    return Axes(int(bins), low_hz + bin_hz / 2, bin_hz)


def _time_ns(fields: dict[str, Any]) -> int:
    seconds = numeric(fields.get("t"))
    if seconds is None or not 0 <= seconds < _MOST_SECONDS:
        raise BadInput(f"t: {_shown(fields.get('t'))}; limit: seconds from 1970 to {LATEST_DAY}")
    whole = int(seconds)
    return whole * NS_PER_S + round((seconds - whole) * NS_PER_S)


def _step_ns(fields: dict[str, Any], measured: dict[str, Any], rows: int) -> int:
    """`tm` in a stream; in a burst of `nM` rows the server's `td / nM`; of one row `Ta`, until the next."""
    named = [measured.get("tm"), fields.get("Tm"), fields.get("tm")]
    lasting = numeric(measured.get("td"))
    if rows == 1:
        named = [fields.get("Ta"), *named, lasting]
    elif rows > 1:
        named = [None if lasting is None else lasting / rows, *named]
    for value in named:
        seconds = numeric(value)
        if seconds is not None and 1e-9 <= seconds < _MOST_SECONDS:
            return round(seconds * NS_PER_S)
    raise BadInput("no time between rows (mPar.tm, mPar.td); write step_seconds in the sidecar")


def _shown(value: object) -> str:
    return repr(value)[:40]
