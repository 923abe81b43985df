"""What is written of a band model beside its arrays, in a bundle or a state: read with suspicion."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import yaml

from ..pipeline.errors import BadInput
from ..pipeline.frames import POWER_UNITS
from .geometry import Geometry
from .tensor_file import read_bytes

VERSION = 3
KIND = "activity"

_FACTS: dict[str, type] = {
    "name": str,
    "windows": int,
    "geometry": dict,
    "dimensions": int,
    "components": int,
    "clusters": int,
    "numbers_used": int,
    "farthest": float,
    "novelty_components": int,
    "calibration": int,
    "disjoint": int,
}
_GEOMETRY: dict[str, type] = {
    "node": str,
    "band": str,
    "unit": str,
    "bins": int,
    "first_hz": float,
    "bin_hz": float,
    "segments": int,
}
_ANY_SIGN = ("first_hz",)  # a band at baseband begins below 0 Hz


def read_facts(path: Path) -> dict[str, Any]:
    """`activity.yaml`, checked as `checked_facts` does; `sha256` as it is found there."""
    try:
        facts = yaml.safe_load(read_bytes(path))
    except (yaml.YAMLError, UnicodeDecodeError):
        raise BadInput(f"{path}: not YAML") from None
    return checked_facts(str(path), facts)


def checked_facts(where: str, facts: Any) -> dict[str, Any]:
    """Every fact there and of its type, numbers above 0, the geometry as a Geometry.

    Raises BadInput, one line that begins with `where`.
    """
    if not isinstance(facts, dict) or (facts.get("kind") == KIND) is not True:
        raise BadInput(f"{where}: not a band model")
    if (facts.get("version") == VERSION) is not True:
        raise BadInput(f"{where}: version {_shown(facts.get('version'))}, this program reads {VERSION}")
    _check_types(where, facts, _FACTS)
    return facts | {"geometry": checked_geometry(where, facts["geometry"])}


def checked_geometry(where: str, facts: dict[str, Any]) -> Geometry:
    """A geometry from its fields by name; BadInput, one line, where they cannot be."""
    _check_types(where, facts, _GEOMETRY)
    if facts["unit"] not in POWER_UNITS:
        raise BadInput(f"{where}: unit {facts['unit']!r} is none of {', '.join(POWER_UNITS)}")
    return Geometry(**{name: facts[name] for name in _GEOMETRY})


def _shown(value: Any) -> str:
    return repr(value).splitlines()[0][:80]


def _check_types(where: str, facts: dict[str, Any], types: dict[str, type]) -> None:
    for name, wanted in types.items():
        value = facts.get(name)
        if not isinstance(value, wanted) or isinstance(value, bool):
            raise BadInput(f"{where}: {name} is {_shown(value)}, needs {wanted.__name__}")
        if not isinstance(value, int | float):
            continue
        if not np.isfinite(value) or (value <= 0 and name not in _ANY_SIGN):
            needed = "a finite number" if name in _ANY_SIGN else "a number above 0"
            raise BadInput(f"{where}: {name} is {value!r}, needs {needed}")
