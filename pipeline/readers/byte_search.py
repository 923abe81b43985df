"""Where a file goes on after bytes that are nothing known."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from io import BufferedReader

SMALLEST_BYTES = 4096
LARGEST_BYTES = 1024 * 1024


def growing_blocks(stream: BufferedReader, at: int, overlap: int) -> Iterator[tuple[int, bytes]]:
    """(place, bytes) from byte `at` on, each with the last `overlap` bytes of the one before.

    Blocks grow from 4 KiB to 1 MiB, so that what is found soon costs little however often it is looked for.
    The stream may be moved between them.
    """
    size = SMALLEST_BYTES
    while True:
        stream.seek(at)
        block = stream.read(max(size, 2 * overlap))
        if not block:
            return
        yield at, block
        if len(block) <= overlap:
            return
        at += len(block) - overlap
        size = min(2 * size, LARGEST_BYTES)


def find_mark(stream: BufferedReader, at: int, mark: bytes, accepts: Callable[[int], bool]) -> int | None:
    """The first place at or after byte `at` where `mark` stands and that `accepts`, if there is one."""
    for block_at, block in growing_blocks(stream, at, len(mark) - 1):
        found = block.find(mark)
        while found >= 0:
            if accepts(block_at + found):
                return block_at + found
            found = block.find(mark, found + 1)
    return None
