"""Checksums of every byte of a parquet file, asked before a byte is given to Arrow.

At some damaged footers Arrow's reader ends the process, and at some damaged page headers it takes gigabytes;
neither can be caught or limited. So a file carries, just before its footer, where parquet leaves room for
whatever its writer likes, the CRC-32 of each 256 KiB before, and one of these and of the footer.
"""

from __future__ import annotations

import io
import os
import struct
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .errors import BadInput

BLOCK_BYTES = 256 * 1024
LARGEST_FOOTER = 256 * 1024 * 1024
_KEPT_BLOCKS = 8  # columns of few bytes stand beside one another and are read in turn
_TAIL = struct.Struct("<I4s")  # the footer's length, and parquet's own letters
_PARQUET = b"PAR1"
# After the checksums of the blocks: letters, how many bytes these are of, CRC-32 of all that and the footer.
_SEAL = struct.Struct("<8sQI")
_SUMMED = struct.Struct("<8sQ")
_LETTERS = b"BWSEAL2\0"


def seal(path: Path) -> None:
    """Give a finished parquet file its seal, in one pass: the footer moves on. Not to be done twice."""
    with path.open("r+b") as file:
        footer, start = _footer(path, file.fileno())
        lengths = (min(BLOCK_BYTES, start - first) for first in range(0, start, BLOCK_BYTES))
        sums = np.array([zlib.crc32(file.read(length)) for length in lengths], "<u4")
        summed = sums.tobytes() + _SUMMED.pack(_LETTERS, start)
        file.seek(start)
        file.write(summed + struct.pack("<I", zlib.crc32(footer, zlib.crc32(summed))))
        file.write(footer)
        file.write(_TAIL.pack(len(footer), _PARQUET))


class SealedFile(io.RawIOBase):
    """A sealed parquet file, read-only: every byte that is read has been checked.

    `BadInput` at opening where the file has no seal or its footer is damaged, at reading where the bytes
    wanted are not those that were written. OSError where it cannot be read. Memory: the footer, and 2 MiB.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path
        self._at = 0
        self._kept: dict[int, bytes] = {}
        self._file = path.open("rb", buffering=0)
        try:
            self._size = os.fstat(self._file.fileno()).st_size
            self._sealed, self._sums = self._checked()
            self._after = self._pread(self._size - self._sealed, self._sealed)
        except BaseException:
            self._file.close()
            raise

    def _checked(self) -> tuple[int, NDArray[np.uint32]]:
        """How many bytes the checksums are of, and they."""
        footer, start = _footer(self._path, self._file.fileno())
        before = self._pread(_SEAL.size, max(0, start - _SEAL.size))
        letters, sealed, crc = _SEAL.unpack(before) if len(before) == _SEAL.size else (b"", 0, 0)
        if letters != _LETTERS:
            raise BadInput(
                f"{self._path}: not written by bandwatch, or rewritten since; limit: its own parquet files"
            )
        sums = self._pread(max(0, start - _SEAL.size - sealed), sealed)
        summed = zlib.crc32(before[: _SUMMED.size], zlib.crc32(sums))
        if zlib.crc32(footer, summed) != crc or len(sums) != 4 * -(-sealed // BLOCK_BYTES):
            raise BadInput(f"{self._path}: damaged: its footer is not the one that was written")
        return sealed, np.frombuffer(sums, "<u4")

    def _pread(self, count: int, first: int) -> bytes:
        return os.pread(self._file.fileno(), count, first)

    def _block(self, number: int) -> bytes:
        found = self._kept.pop(number, None)
        if found is None:
            first = number * BLOCK_BYTES
            found = self._pread(min(BLOCK_BYTES, self._sealed - first), first)
            if zlib.crc32(found) != self._sums[number]:
                raise BadInput(
                    f"{self._path}: damaged: bytes {first} to {min(first + BLOCK_BYTES, self._sealed)}"
                    " are not those that were written"
                )
            if len(self._kept) >= _KEPT_BLOCKS:
                del self._kept[next(iter(self._kept))]
        self._kept[number] = found
        return found

    def read(self, size: int = -1, /) -> bytes:
        end = self._size if size < 0 else min(self._at + size, self._size)
        parts: list[memoryview] = []
        while self._at < end:
            if self._at < self._sealed:
                number, first = divmod(self._at, BLOCK_BYTES)
                part = memoryview(self._block(number))[first : first + end - self._at]
            else:
                part = memoryview(self._after)[self._at - self._sealed : end - self._sealed]
            parts.append(part)
            self._at += len(part)
        return b"".join(parts)

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        self._at = max(0, offset + (0, self._at, self._size)[whence])
        return self._at

    def tell(self) -> int:
        return self._at

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def close(self) -> None:
        self._file.close()
        super().close()


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
