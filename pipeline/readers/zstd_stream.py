"""zstd: decompressed bytes of a file as a stream, and how many there are."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa

from ..errors import BadInput
from .sample_bytes import ended_early, file_errors
from .zstd_frames import zstd_frames

LARGEST_WINDOW = 64 * 1024 * 1024
_STEP_BYTES = 1024 * 1024


class ZstdBytes:
    """Decompressed bytes of one or more zstd frames.

    `size` is what the frames' headers say, where all do and the file ends where its last frame does;
    otherwise what one pass over them gives. Where they are truncated or damaged `problem` says so and
    `size` is what can be decompressed before. Memory: two chunks, and the window that a frame asks
    for: `BadInput` where that is more than 64 MiB.
    """

    def __init__(self, path: Path, item_bytes: int = 1) -> None:
        self._path = path
        self.problem: str | None = None
        told = zstd_frames(path)
        if told.window_bytes > LARGEST_WINDOW:
            raise BadInput(
                f"{path}: zstd with a window of {told.window_bytes} bytes;"
                f" limit: {LARGEST_WINDOW} (zstd --long=26)"
            )
        self.size = self._counted(item_bytes) if told.content_bytes is None else told.content_bytes

    def chunks(self, first: int, count: int, chunk_bytes: int) -> Iterator[bytes]:
        with _opened(self._path) as stream:
            skipped = memoryview(bytearray(min(first, _STEP_BYTES)))
            while first > 0:
                filled = _read(stream, skipped[:first])
                if not filled:
                    raise ended_early(self._path)
                first -= filled
            chunk = memoryview(bytearray(min(count, chunk_bytes)))
            while count > 0:
                wanted = chunk[:count]
                if _read(stream, wanted) != len(wanted):
                    raise ended_early(self._path)
                count -= len(wanted)
                yield bytes(wanted)

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
        step = memoryview(bytearray(_STEP_BYTES))
        with _opened(self._path) as stream:
            try:
                while count := _read(stream, step if size + _STEP_BYTES <= first else step[:step_bytes]):
                    size += count
            except OSError as error:
                return size, " ".join(str(error).split())
        return size, None


@contextmanager
def _opened(path: Path) -> Iterator[pa.CompressedInputStream]:
    with file_errors(path), path.open("rb") as raw, pa.CompressedInputStream(raw, "zstd") as stream:
        yield stream


def _read(stream: pa.CompressedInputStream, into: memoryview) -> int:
    """Fills it, or puts there what there is; how many bytes. One read stops at the end of a frame.

    Its `read` never frees what it was to read into where the stream turns out to be broken.
    """
    filled = 0
    while filled < len(into) and (count := stream.readinto(into[filled:])):
        filled += count
    return filled
