"""Messages of the MSOD transfer specification in a file: length-prefixed JSON headers between power values.

Source: "Data Transfer Specification for the Measured Spectrum Occupancy Database", 1.0.15 (2016), and the
server that ingests it (usnistgov/SpectrumBrowser, `populate_db.py`, `DataStreaming.py`).
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from io import BufferedReader
from typing import Any

from .byte_search import growing_blocks

LARGEST_HEADER_BYTES = 256 * 1024
MOST_FALSE_HEADERS = 10_000
_PREFIX_BYTES = 24  # more than the longest length in front of a header, with its line end

_PREFIX = re.compile(rb"[\r\n ]*(\d{1,7})[\r\n ]*(?=\{)")
_BRACE = re.compile(rb"[\r\n]\{")
_DIGITS = re.compile(rb"(\d{1,7})[\r\n]{1,2}\Z")


@dataclass(frozen=True, slots=True)
class Message:
    """One header: where its length stands, where its data block would begin, and its fields."""

    at: int
    data_at: int
    fields: dict[str, Any]

    @property
    def kind(self) -> str:
        """`Loc`, `Sys`, `Data`, ..."""
        return str(self.fields["Type"])


def message_at(stream: BufferedReader, at: int) -> Message | None:
    """The message whose length begins at byte `at`, after white space; None where there is none."""
    stream.seek(at)
    found = _PREFIX.match(stream.read(_PREFIX_BYTES))
    return None if found is None else _message(stream, at, at + found.end(), int(found[1]))


def next_message(stream: BufferedReader, at: int) -> Message | None:
    """The first message that begins at byte `at` or later, whatever stands before it; None at the file's end.

    Power values can look like the beginning of one, so it must be JSON with a `Type` to the last brace;
    after 10,000 that look like one and are not, no more is looked for.
    """
    false = 0
    looked_at = at
    for block_at, block in growing_blocks(stream, at, _PREFIX_BYTES):
        for found in _BRACE.finditer(block, max(0, looked_at - 1 - block_at)):
            brace = found.end() - 1
            before = block[max(0, brace - _PREFIX_BYTES) : brace]
            message = _message_before(stream, block_at + brace, before)
            if message is not None:
                return message
            false += 1
            if false > MOST_FALSE_HEADERS:
                return None
        looked_at = block_at + len(block)
    return None


def numeric(value: object) -> float | None:
    """A field's number; None for what says that there is none: absent, "NaN", "N/A", not finite, a truth."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _message_before(stream: BufferedReader, brace_at: int, before: bytes) -> Message | None:
    found = _DIGITS.search(before)
    if found is None:
        return None
    # A power value in front may be a digit too: the whole number first, then ever fewer of its digits.
    for start in range(found.start(1), found.end(1)):
        at = brace_at - (len(before) - start)
        message = _message(stream, at, brace_at, int(before[start : found.end(1)]))
        if message is not None:
            return message
    return None


def _message(stream: BufferedReader, at: int, json_at: int, length: int) -> Message | None:
    if not 2 <= length <= LARGEST_HEADER_BYTES:
        return None
    stream.seek(json_at + length - 1)
    if stream.read(1) != b"}":
        return None
    stream.seek(json_at)
    try:
        fields = json.loads(stream.read(length).decode())
    except (ValueError, RecursionError):
        return None
    if not isinstance(fields, dict) or not isinstance(fields.get("Type"), str):
        return None
    return Message(at, json_at + length, fields)
