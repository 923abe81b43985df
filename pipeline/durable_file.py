"""Files that appear whole, and are still there after a power cut."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PART_SUFFIX = ".part"


@contextmanager
def durable_file(path: Path) -> Iterator[Path]:
    """A name beside `path` to write to; it becomes `path` when the block ends well, else nothing stays.

    What a killed process left behind bears `PART_SUFFIX`. OSError as the system gives it.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}{PART_SUFFIX}")
    try:
        yield part
        sync(part)
        part.replace(path)
        sync(path.parent)
    finally:
        part.unlink(missing_ok=True)


def sync(path: Path) -> None:
    """Force a file, or a folder's list of names, to the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def new_folder(path: Path) -> None:
    """Make a folder and those above it that are missing, to last."""
    if path.is_dir():
        return
    new_folder(path.parent)
    path.mkdir(exist_ok=True)
    sync(path.parent)
