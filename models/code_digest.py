"""A digest of the code that made something: other code may make something else."""

from __future__ import annotations

import ast
import hashlib
import sys
from collections.abc import Collection
from functools import cache
from pathlib import Path

from .. import __version__

_HERE = Path(__file__).parent


@cache
def code_digest(*modules: str) -> str:
    """SHA-256, in hex, of these modules and of all that they import, now or when they run, of `models` and
    of the folders where they are themselves.
    """
    found: set[Path] = set()
    waiting = [Path(file) for file in (sys.modules[name].__file__ for name in modules) if file]
    homes = {_HERE, *(source.parent for source in waiting)}
    while waiting:
        source = waiting.pop()
        if source not in found:
            found.add(source)
            waiting += _imported(source, homes)
    sha = hashlib.sha256(__version__.encode())
    for source in sorted(found):
        sha.update(source.name.encode() + source.read_bytes())
    return sha.hexdigest()


def _imported(source: Path, homes: Collection[Path]) -> list[Path]:
    """The files of these folders that one imports relatively, as all of the package does."""
    files: list[Path] = []
    for node in ast.walk(ast.parse(source.read_bytes())):
        if not isinstance(node, ast.ImportFrom) or not node.level:
            continue
        place = source.parents[node.level - 1].joinpath(*(node.module or "").split("."))
        inside = [place.with_suffix(".py"), *(place / f"{each.name}.py" for each in node.names)]
        files += [file for file in inside if any(map(file.is_relative_to, homes)) and file.is_file()]
    return files
