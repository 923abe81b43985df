"""A published forecast map as who is told of it reads it: nothing here draws or computes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..pipeline.errors import BadInput
from .published import FACTS

ARRAYS, PICTURE = "arrays.safetensors", "forecast-map.png"
VERSION = 1
KIND = "forecast map"
GRAD_CAM, OCCLUSION = "Grad-CAM", "occlusion"
LEAST_WINDOWS = 12
MOST_WINDOWS = 120
_MOST_BYTES = 2**20


@dataclass(frozen=True, slots=True)
class PublishedMap:
    """What metrics and people are told of a published map; `ranges` of frequencies, greatest share first."""

    folder: str
    made_ns: int
    model: str
    measure: str
    windows: int
    rows: int
    first_ns: int
    last_ns: int
    tenth_ratio: float | None
    newest_ratio: float | None
    ranges: tuple[tuple[float, float, float], ...]
    """Low and high, Hz, and the share."""
    sentence: str


def read_map(published: Path) -> PublishedMap:
    """What a published map says; BadInput, one line, where it is not one or a file of it is gone."""
    path = published / FACTS
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise BadInput(f"{path}: {path.stat().st_size} bytes; limit: {_MOST_BYTES}")
        facts = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        if isinstance(error, BadInput):
            raise
        raise BadInput(f"{path}: cannot be read: {error}") from None
    if not isinstance(facts, dict) or (facts.get("kind"), facts.get("version")) != (KIND, VERSION):
        raise BadInput(f"{path}: not a forecast map of version {VERSION}")
    for name in (ARRAYS, PICTURE):
        if not (published / name).is_file():
            raise BadInput(f"{published / name}: is gone")
    try:
        return PublishedMap(
            folder=str(published),
            made_ns=int(facts["made_ns"]),
            model=str(facts["model"]),
            measure=str(facts["measure"]),
            windows=int(facts["windows"]),
            rows=int(facts["rows"]),
            first_ns=int(facts["first_ns"]),
            last_ns=int(facts["last_ns"]),
            tenth_ratio=_ratio(facts["tenth_ratio"]),
            newest_ratio=_ratio(facts["newest_ratio"]),
            ranges=tuple(
                (float(each["low_hz"]), float(each["high_hz"]), float(each["share"]))
                for each in facts["ranges"]
            ),
            sentence=" ".join(str(facts["words"][name]) for name in ("frequencies", "back", "hours")),
        )
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise BadInput(f"{path}: not a forecast map: {error!r}") from None


def _ratio(value: Any) -> float | None:
    return None if value is None else float(value)
