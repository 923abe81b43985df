"""zstd: decompressed bytes of a file as a stream, and how many there are.

Source: RFC 8878.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa

from .sample_bytes import ended_early, file_errors

MAGIC = b"\x28\xb5\x2f\xfd"
_SKIPPED_MAGIC = b"\x2a\x4d\x18"  # after a byte 0x50 to 0x5f
LARGEST_BLOCK = 128 * 1024
_STEP_BYTES = 1024 * 1024
_FIELD_BYTES = (0, 1, 2, 4)


class ZstdBytes:
    """Decompressed bytes of one or more zstd frames.

    `size` is what the frames' headers say, where all do and the file ends where its last frame does;
    otherwise what one pass over them gives. Where they are truncated or damaged `problem` says so and
    `size` is what can be decompressed before. Memory: a chunk, and the window that the frame asks for
    (zstd refuses more than 128 MiB).
    """

    def __init__(self, path: Path, item_bytes: int = 1) -> None:
        self._path = path
        self.problem: str | None = None
        told = told_size(path)
        self.size = self._counted(item_bytes) if told is None else told

    def chunks(self, first: int, count: int, chunk_bytes: int) -> Iterator[bytes]:
        with _opened(self._path) as stream:
            while first > 0:
                skipped = stream.read(min(first, _STEP_BYTES))
                if not skipped:
                    raise ended_early(self._path)
                first -= len(skipped)
            while count > 0:
                data = _read(stream, min(count, chunk_bytes))
                if len(data) != min(count, chunk_bytes):
                    raise ended_early(self._path)
                count -= len(data)
                yield data

    def _counted(self, item_bytes: int) -> int:
        size, error = self._pass_over(0, _STEP_BYTES)
        if error is not None:
            # The step in which it broke had good bytes before: they are looked for item by item.
            size, _ = self._pass_over(size, item_bytes)
            self.problem = f"truncated or damaged after {size:,} decompressed bytes: {error}"
        return size

    def _pass_over(self, first: int, step_bytes: int) -> tuple[int, str | None]:
        """Bytes that can be decompressed, by steps from `first` on, and why there are no more."""
        size = 0
        with _opened(self._path) as stream:
            try:
                while data := stream.read(_STEP_BYTES if size + _STEP_BYTES <= first else step_bytes):
                    size += len(data)
            except OSError as error:
                return size, " ".join(str(error).split())
        return size, None


def told_size(path: Path) -> int | None:
    """The decompressed size by the frames' headers, from block to block; None where they do not tell."""
    size, most = 0, 0
    with file_errors(path), path.open("rb") as stream:
        end = stream.seek(0, 2)
        stream.seek(0)
        while stream.tell() < end:
            magic = stream.read(4)
            if len(magic) == 4 and magic[1:] == _SKIPPED_MAGIC and magic[0] >> 4 == 5:
                stream.seek(int.from_bytes(stream.read(4), "little"), 1)
                continue
            descriptor = stream.read(1)
            if magic != MAGIC or not descriptor:
                return None
            single = bool(descriptor[0] & 0x20)
            size_bytes = (int(single), 2, 4, 8)[descriptor[0] >> 6]
            if not size_bytes:
                return None
            stream.seek((not single) + _FIELD_BYTES[descriptor[0] & 3], 1)
            size += int.from_bytes(stream.read(size_bytes), "little") + (256 if size_bytes == 2 else 0)
            last = False
            while not last:
                header = stream.read(3)
                if len(header) < 3:
                    return None
                bits = int.from_bytes(header, "little")
                last = bool(bits & 1)
                repeated = bits >> 1 & 3 == 1
                stream.seek(1 if repeated else bits >> 3, 1)
                most += LARGEST_BLOCK
            stream.seek(4 if descriptor[0] & 4 else 0, 1)
        return size if stream.tell() == end and size <= most else None


@contextmanager
def _opened(path: Path) -> Iterator[pa.CompressedInputStream]:
    with file_errors(path), path.open("rb") as raw, pa.CompressedInputStream(raw, "zstd") as stream:
        yield stream


def _read(stream: pa.CompressedInputStream, count: int) -> bytes:
    """So many bytes, or what there are: one read stops at the end of a frame."""
    data = stream.read(count)
    if len(data) == count or not data:
        return data
    parts = [data]
    while count > sum(len(part) for part in parts) and (data := stream.read(count - sum(map(len, parts)))):
        parts.append(data)
    return b"".join(parts)
