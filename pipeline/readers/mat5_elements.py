"""MATLAB's version 5 files: variables, what they are and where their values stand, without trusting them.

Nothing is nested deeper than the fields of one struct, and no value is held that is not asked for: numbers
are read as a stream. Source: MathWorks "MAT-File Format".
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import BadInput
from .mat5_streams import Bytes, InflatedBytes, PlainBytes
from .sample_bytes import file_errors

HEADER_BYTES = 128
MOST_VARIABLES = 10_000
_MATRIX, _COMPRESSED = 14, 15
_MOST_DIMENSIONS = 32
_MOST_NAME_BYTES = 64 * 1024
CELL, STRUCT, OBJECT, CHAR, OPAQUE = 1, 2, 3, 4, 17
NUMERIC = range(6, 16)
NUMBER_TYPES = {
    1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8",
    16: "u1", 17: "u2", 18: "u4",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Tag:
    """Type and bytes of an element; `small` is data of up to 4 bytes, which stands in the tag itself."""

    type: int
    size: int
    small: bytes | None = None

    @property
    def padding(self) -> int:
        """Bytes after the data that fill up to 8."""
        return 0 if self.small is not None else -self.size % 8


@dataclass(frozen=True, slots=True)
class Mat5Variable:
    """A variable: its class, its shape, and the top-level element in which it stands."""

    name: str
    array_class: int
    is_complex: bool
    shape: tuple[int, ...]
    element_at: int

    @property
    def count(self) -> int:
        """Values in it."""
        count = 1
        for length in self.shape:
            count *= length
        return count


class Mat5File:
    """The variables of a file by element; `order` is the byte order of its numbers, `<` or `>`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with file_errors(path), path.open("rb") as stream:
            head = stream.read(HEADER_BYTES)
        if head[126:128] not in (b"IM", b"MI"):
            raise BadInput(f"{path}: not a MATLAB 5 file; limit: 'IM' or 'MI' at byte 126")
        self.order = "<" if head[126:128] == b"IM" else ">"
        self.text = " ".join(head[:116].decode("latin-1").split("\0")[0].split())

    def visit(self, take: Callable[[Mat5Variable, Bytes], None]) -> None:
        """Call `take` with every variable and a stream at its values; `BadInput` where the file is broken."""
        at = HEADER_BYTES
        for _ in range(MOST_VARIABLES):
            with self._element(at) as opened:
                if opened is None:
                    return
                stream, at_next = opened
                if stream is not None:
                    take(self._header(stream, at), stream)
            at = at_next

    @contextmanager
    def values(self, variable: Mat5Variable) -> Iterator[Bytes]:
        """A stream at the values of a variable that was found before."""
        with self._element(variable.element_at) as opened:
            if opened is None or opened[0] is None:
                raise BadInput(f"{self.path}: changed since it was opened")
            self._header(opened[0], variable.element_at)
            yield opened[0]

    def tag(self, stream: Bytes) -> Tag:
        """The next element's; its data follows unless it is small."""
        raw = stream.read(8)
        kind, size = struct.unpack(self.order + "II", raw)
        if kind >> 16:
            small_size = min(kind >> 16, 4)
            return Tag(kind & 0xFFFF, small_size, raw[4 : 4 + small_size])
        return Tag(kind, size)

    def data(self, stream: Bytes, tag: Tag, most_bytes: int) -> bytes:
        """An element's data, no more than so many bytes; the rest of it is passed over."""
        if tag.small is not None:
            return tag.small
        data = stream.read(min(tag.size, most_bytes))
        stream.skip(tag.size - len(data) + tag.padding)
        return data

    def header(self, stream: Bytes, element_at: int) -> Mat5Variable:
        """The flags, shape and name of a matrix whose tag has been read."""
        flags = self.data(stream, self.tag(stream), 8)
        (bits,) = struct.unpack(self.order + "I", flags[:4].ljust(4, b"\0"))
        if bits & 0xFF == OPAQUE:  # objects of MATLAB's own kinds: no shape, and nothing to be read
            return Mat5Variable("", OPAQUE, False, (), element_at)
        lengths = self.data(stream, self.tag(stream), 4 * _MOST_DIMENSIONS)
        shape = struct.unpack(f"{self.order}{len(lengths) // 4}i", lengths[: len(lengths) // 4 * 4])
        if not shape or min(shape) < 0:
            raise EOFError(f"a variable of shape {shape}")
        name = self.data(stream, self.tag(stream), _MOST_NAME_BYTES).decode("latin-1").rstrip("\0")
        return Mat5Variable(name, bits & 0xFF, bool(bits & 0x800), shape, element_at)

    def _header(self, stream: Bytes, element_at: int) -> Mat5Variable:
        tag = self.tag(stream)
        if tag.type != _MATRIX or tag.small is not None:
            raise EOFError(f"an element of type {tag.type} where a matrix belongs")
        return self.header(stream, element_at)

    @contextmanager
    def _element(self, at: int) -> Iterator[tuple[Bytes | None, int] | None]:
        """The matrix at a byte of the file (None where something else stands) and where the next begins;
        None at the end."""
        with file_errors(self.path), self.path.open("rb") as stream:
            end = stream.seek(0, 2)
            stream.seek(at)
            raw = stream.read(8)
            if len(raw) < 8:
                yield None
                return
            kind, size = struct.unpack(self.order + "II", raw)
            if at + 8 + size > end:
                raise BadInput(
                    f"{self.path}: truncated: an element of {size:,} bytes at byte {at}; limit:"
                    f" {end - at - 8:,}, all that is left"
                )
            try:
                if kind == _COMPRESSED:
                    yield InflatedBytes(PlainBytes(stream, at + 8 + size), size), at + 8 + size
                else:
                    stream.seek(at)
                    yield (PlainBytes(stream, at + 8 + size) if kind == _MATRIX else None), at + 8 + size
            except (EOFError, zlib.error) as error:
                raise BadInput(f"{self.path}: broken variable at byte {at}: {error}") from None


def number(data: bytes, tag: Tag, order: str) -> float | None:
    """The one number in an element's data; None where that holds no number."""
    kind = NUMBER_TYPES.get(tag.type)
    if kind is None or len(data) < np.dtype(kind).itemsize:
        return None
    return float(np.frombuffer(data, order + kind, count=1)[0])


def text(data: bytes, tag: Tag, order: str) -> str:
    """The characters in an element's data."""
    codes = {4: "utf-16", 17: "utf-16", 18: "utf-32"}
    code = codes.get(tag.type)
    name = "utf-8" if code is None else code + ("-le" if order == "<" else "-be")
    return data.decode(name, errors="replace").strip("\0 ")
