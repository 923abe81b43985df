"""Forward streams of bytes: part of a file as it stands, or decompressed with zlib as it is read."""

from __future__ import annotations

import zlib
from typing import BinaryIO, Protocol

_STEP_BYTES = 256 * 1024


class Bytes(Protocol):
    """A stream that is read forward; `at` counts the bytes passed."""

    at: int

    def read(self, count: int) -> bytes:
        """Exactly so many bytes; EOFError where there are not."""
        ...

    def skip(self, count: int) -> None:
        """Pass over so many bytes; EOFError where there are not."""
        ...


class PlainBytes:
    """Bytes of a file up to an end."""

    def __init__(self, stream: BinaryIO, end: int) -> None:
        self._stream = stream
        self._left = end - stream.tell()
        self.at = 0

    def read(self, count: int) -> bytes:
        self._take(count)
        data = self._stream.read(count)
        if len(data) != count:
            raise EOFError("truncated")
        return data

    def skip(self, count: int) -> None:
        self._take(count)
        self._stream.seek(count, 1)

    def _take(self, count: int) -> None:
        if count > self._left:
            raise EOFError("an element goes beyond the end of what holds it")
        self._left -= count
        self.at += count


class InflatedBytes:
    """What a compressed element holds, decompressed as it is read."""

    def __init__(self, source: PlainBytes, packed_bytes: int) -> None:
        self._source = source
        self._packed = packed_bytes
        self._inflater = zlib.decompressobj()
        self._waiting = b""
        self.at = 0

    def read(self, count: int) -> bytes:
        parts: list[bytes] = []
        while count > 0:
            part = self._some(count)
            parts.append(part)
            count -= len(part)
        return b"".join(parts)

    def skip(self, count: int) -> None:
        while count > 0:
            count -= len(self._some(min(count, _STEP_BYTES)))

    def _some(self, count: int) -> bytes:
        while True:
            if not self._waiting and self._packed:
                size = min(self._packed, _STEP_BYTES)
                self._waiting = self._source.read(size)
                self._packed -= size
            data = self._inflater.decompress(self._waiting, min(count, _STEP_BYTES))
            self._waiting = self._inflater.unconsumed_tail
            if data:
                self.at += len(data)
                return data
            if self._inflater.eof or not (self._packed or self._waiting):
                raise EOFError("an element goes beyond the end of what holds it")
