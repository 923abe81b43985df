"""What each epoch of a training came to: lines in a file while it goes on, one file in the bundle."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from ..pipeline.errors import BadInput
from .tensor_file import read_bytes, write_atomically

CURVES_FILE = "curves.json"
VERSION = 1
KIND = "deepcluster-curves"


@dataclass(frozen=True, slots=True)
class Epoch:
    """What an epoch came to.

    `loss` is the mean cross-entropy, `accuracy` the share of windows given their pseudo-label. An epoch
    that began with a clustering is `reclustered`: `size_entropy` says how even the clusters' sizes are (1:
    all equal) and, from the second clustering on, `nmi` how far it agrees with the one before and `changed`
    which share of the windows is in another cluster, clusters paired for the most windows in common.
    Elsewhere these are None. `seconds` the epoch took, its clustering included: the one thing a second run
    does not repeat, and no part of what makes two epochs equal.
    """

    number: int
    loss: float
    accuracy: float
    reclustered: bool
    nmi: float | None
    changed: float | None = None
    size_entropy: float | None = None
    seconds: float = field(default=0.0, compare=False)


class CurveLog:
    """Epochs as JSON Lines, each written as it ends.

    A training that goes on tells of its earlier epochs first, so the file is begun anew by the first.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._is_begun = False

    def add(self, epoch: Epoch) -> None:
        """Write an epoch's line."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("a" if self._is_begun else "w", encoding="utf-8") as file:
            file.write(json.dumps(asdict(epoch)) + "\n")
        self._is_begun = True


@dataclass(frozen=True, slots=True)
class TrainingCurves:
    """A training's epochs and how many there were from one clustering to the next, as kept in a bundle."""

    cycle: int
    epochs: Sequence[Epoch]

    def save(self, folder: Path) -> None:
        """Write `curves.json`; without the seconds: the same training gives the same bundle."""
        content = {
            "version": VERSION,
            "kind": KIND,
            "cycle": self.cycle,
            "epochs": [
                {name: value for name, value in asdict(epoch).items() if name != "seconds"}
                for epoch in self.epochs
            ],
        }
        write_atomically(folder / CURVES_FILE, (json.dumps(content, indent=1) + "\n").encode())

    @classmethod
    def load(cls, path: Path) -> TrainingCurves:
        """Read what `save` wrote; BadInput, one line, for any other file."""
        try:
            content = json.loads(read_bytes(path))
        except ValueError:
            raise BadInput(f"{path}: not JSON") from None
        if not isinstance(content, dict) or content.get("kind") != KIND or content.get("version") != VERSION:
            raise BadInput(f"{path}: not the curves of a training, version {VERSION}")
        cycle, epochs = content.get("cycle"), content.get("epochs")
        if not isinstance(cycle, int) or not isinstance(epochs, list):
            raise BadInput(f"{path}: needs a cycle and a list of epochs")
        return cls(cycle, [_epoch(path, number, epoch) for number, epoch in enumerate(epochs)])


def _epoch(path: Path, number: int, found: Any) -> Epoch:
    known = {each.name for each in fields(Epoch)} - {"seconds"}
    if not isinstance(found, dict) or found.keys() != known or found["number"] != number:
        raise BadInput(f"{path}: epoch {number} needs {', '.join(sorted(known))}, and that number")
    for name, value in found.items():
        if not (isinstance(value, int | float) or (value is None and name not in ("loss", "accuracy"))):
            raise BadInput(f"{path}: epoch {number} has {name} {value!r}, needs a number")
    return Epoch(**found)
