"""What the headers of zstd frames promise, without decompressing: how much, and in how much memory.

Source: RFC 8878, section 3.1.1.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from .sample_bytes import file_errors

MAGIC = b"\x28\xb5\x2f\xfd"
LARGEST_BLOCK = 128 * 1024
_SKIPPED_MAGIC = b"\x2a\x4d\x18"  # after a byte 0x50 to 0x5f
_DICTIONARY_BYTES = (0, 1, 2, 4)
_SIZE_BYTES = (0, 2, 4, 8)


@dataclass(frozen=True, slots=True)
class ZstdFrames:
    """`content_bytes`: decompressed, where every header tells and the file ends where its last frame does;
    else None. `window_bytes`: the largest window that a frame up to the first broken one asks for."""

    content_bytes: int | None
    window_bytes: int


def zstd_frames(path: Path) -> ZstdFrames:
    """Pass over a file's headers, from block to block; `BadInput` where it cannot be read."""
    content, most, window, told = 0, 0, 0, True
    with file_errors(path), path.open("rb") as stream:
        end = stream.seek(0, 2)
        stream.seek(0)
        while stream.tell() < end:
            magic = stream.read(4)
            if len(magic) == 4 and magic[1:] == _SKIPPED_MAGIC and magic[0] >> 4 == 5:
                stream.seek(int.from_bytes(stream.read(4), "little"), 1)
                continue
            if magic != MAGIC:
                return ZstdFrames(None, window)
            size, asked, checksum_bytes = _header(stream)
            window = max(window, asked)
            blocks = _blocks(stream)
            if blocks is None:
                return ZstdFrames(None, window)
            told = told and size is not None
            content += size or 0
            most += blocks * LARGEST_BLOCK
            stream.seek(checksum_bytes, 1)
        told = told and stream.tell() == end and content <= most
    return ZstdFrames(content if told else None, window)


def _header(stream: BinaryIO) -> tuple[int | None, int, int]:
    """Decompressed size if told, window and length of the checksum, after the magic number."""
    descriptor = (stream.read(1) or b"\0")[0]
    single = bool(descriptor & 0x20)
    exponent, mantissa = (0, 0) if single else divmod((stream.read(1) or b"\0")[0], 8)
    stream.seek(_DICTIONARY_BYTES[descriptor & 3], 1)
    size_bytes = _SIZE_BYTES[descriptor >> 6] or int(single)
    size = int.from_bytes(stream.read(size_bytes), "little") + (256 if size_bytes == 2 else 0)
    window = size if single else (1 << (10 + exponent)) // 8 * (8 + mantissa)
    return (size if size_bytes else None), window, 4 if descriptor & 4 else 0


def _blocks(stream: BinaryIO) -> int | None:
    """Passes over a frame's blocks; how many, None where the file ends among their headers."""
    count, last = 0, False
    while not last:
        header = stream.read(3)
        if len(header) < 3:
            return None
        bits = int.from_bytes(header, "little")
        last = bool(bits & 1)
        repeated = bits >> 1 & 3 == 1
        stream.seek(1 if repeated else bits >> 3, 1)
        count += 1
    return count
