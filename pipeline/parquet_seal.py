"""A checksum of a parquet file's footer, asked before the footer is believed.

Arrow's reader ends the process at some damaged footers, with no error that could be caught. So a file
carries, just before its footer, where parquet leaves room for whatever its writer likes, eight letters and
the CRC-32 of the footer.
"""

from __future__ import annotations

import os
import struct
import zlib
from pathlib import Path

from .errors import BadInput

LARGEST_FOOTER = 256 * 1024 * 1024
_TAIL = struct.Struct("<I4s")  # the footer's length, and parquet's own letters
_SEAL = struct.Struct("<8sI")
_PARQUET = b"PAR1"
_LETTERS = b"BWSEAL1\0"


def seal(path: Path) -> None:
    """Give a finished parquet file its seal: the footer moves on by 12 bytes. Not to be done twice."""
    with path.open("r+b") as file:
        footer, start = _footer(path, file.fileno())
        file.seek(start)
        file.write(_SEAL.pack(_LETTERS, zlib.crc32(footer)))
        file.write(footer)
        file.write(_TAIL.pack(len(footer), _PARQUET))


def check_seal(path: Path) -> None:
    """`BadInput` unless the file ends as `seal` left it; OSError where it cannot be read."""
    with path.open("rb") as file:
        footer, start = _footer(path, file.fileno())
        before = os.pread(file.fileno(), _SEAL.size, max(0, start - _SEAL.size))
    if len(before) < _SEAL.size or _SEAL.unpack(before)[0] != _LETTERS:
        raise BadInput(f"{path}: not written by bandwatch, or rewritten since; limit: its own parquet files")
    if _SEAL.unpack(before)[1] != zlib.crc32(footer):
        raise BadInput(f"{path}: damaged: its footer is not the one that was written")


def _footer(path: Path, file: int) -> tuple[bytes, int]:
    """The footer's bytes and where they begin."""
    size = os.fstat(file).st_size
    tail = os.pread(file, _TAIL.size, max(0, size - _TAIL.size))
    length, letters = _TAIL.unpack(tail) if len(tail) == _TAIL.size else (0, b"")
    start = size - _TAIL.size - length
    if letters != _PARQUET or start < len(_PARQUET):
        raise BadInput(f"{path}: truncated or not a parquet file: no footer at its end")
    if length > LARGEST_FOOTER:
        raise BadInput(f"{path}: a footer of {length} bytes; limit: {LARGEST_FOOTER}")
    return os.pread(file, length, start), start
