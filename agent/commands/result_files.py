"""Where `evaluate` writes what it found: never over what it read, and whole or not at all."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ...pipeline.errors import BadInput


def keep_apart(json_path: Path, predictions: Path | None, inputs: Sequence[Path]) -> None:
    """Results never overwrite what they are made from, nor each other; and their folders are there."""
    outputs = [("--json", json_path)] + ([("--predictions", predictions)] if predictions else [])
    if predictions is not None and predictions.resolve() == json_path.resolve():
        raise BadInput(f"--predictions {predictions}: is where --json goes, too")
    if predictions is not None and predictions.suffix != ".npz":
        raise BadInput(f"--predictions {predictions}: suffix is '{predictions.suffix}'; limit: .npz")
    given = {path.resolve() for path in inputs}
    for option, path in outputs:
        if path.resolve() in given:
            raise BadInput(f"{option} {path}: is one of the files read; take another name")
        if not path.parent.is_dir():
            raise BadInput(f"{option} {path}: the folder {path.parent} does not exist")
        if path.is_dir():
            raise BadInput(f"{option} {path}: is a folder; limit: a file")


def write_result(path: Path, content: bytes) -> None:
    """Write a file so that there is the old one or the new one; BadInput where it cannot be written."""
    from ...models.tensor_file import write_or_refuse

    write_or_refuse(path, content)
