"""A digest of the code that made something: other code may make something else."""

from __future__ import annotations

import ast
import hashlib
import sys
from functools import cache
from pathlib import Path

from .. import __version__

_HERE = Path(__file__).parent


@cache
def code_digest(*modules: str) -> str:
    """SHA-256, in hex, of these modules and of all of `models` that they import, now or when they run."""
    found: set[Path] = set()
    waiting = [Path(file) for file in (sys.modules[name].__file__ for name in modules) if file]
    while waiting:
        source = waiting.pop()
        if source not in found:
            found.add(source)
            waiting += _imported(source)
    sha = hashlib.sha256(__version__.encode())
    for source in sorted(found):
        sha.update(source.name.encode() + source.read_bytes())
    return sha.hexdigest()


def _imported(source: Path) -> list[Path]:
    """The files of `models` that one imports relatively, as all of the package does."""
    files: list[Path] = []
    for node in ast.walk(ast.parse(source.read_bytes())):
        if not isinstance(node, ast.ImportFrom) or not node.level:
            continue
        place = source.parents[node.level - 1].joinpath(*(node.module or "").split("."))
        inside = [place.with_suffix(".py"), *(place / f"{each.name}.py" for each in node.names)]
        files += [file for file in inside if file.is_relative_to(_HERE) and file.is_file()]
    return files
