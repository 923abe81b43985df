"""A file that appears under its name only when it is whole."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import BadInput


@contextmanager
def part_file(path: Path) -> Iterator[Path]:
    """A name beside `path` for what is not whole yet; nothing stays there when the block ends badly.

    The block renames it when all is well. `BadInput` in one line for a full disk or a missing folder.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield part
    except OSError as error:
        raise BadInput(f"{path}: cannot be written: {error.strerror or error}") from None
    finally:
        part.unlink(missing_ok=True)
