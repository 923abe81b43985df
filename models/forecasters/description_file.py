"""What the descriptions of fitted forecasters share: YAML that is read with suspicion, field by field."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from ...pipeline.errors import BadInput
from ...pipeline.frames import POWER_UNITS, PowerUnit
from ..tensor_file import read_bytes


def read_description(path: Path, fixed: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a file whose kind, version and the like are `fixed`.

    Raises BadInput with the file, the field, the value and the limit; so do all of these.
    """
    try:
        fields = yaml.safe_load(read_bytes(path))
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise BadInput(f"{path}: is not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(fields, dict):
        raise BadInput(f"{path}: is {type(fields).__name__}, must be a map")
    for name, value in fixed.items():
        if fields.get(name) != value:
            raise BadInput(f"{path}: {name} is {fields.get(name)!r:.80}, must be {value!r}")
    return fields


def unit_of(path: Path, fields: Mapping[str, Any]) -> PowerUnit:
    """The field `unit`."""
    unit = fields.get("unit")
    if unit not in POWER_UNITS:
        raise BadInput(f"{path}: unit is {unit!r:.80}, must be one of {', '.join(POWER_UNITS)}")
    return unit


def positive(path: Path, name: str, value: Any) -> float:
    """A finite number above 0."""
    if not is_number(value) or value <= 0:
        raise BadInput(f"{path}: {name} is {value!r:.80}, must be a finite number above 0")
    return float(value)


def map_of(path: Path, name: str, fields: Mapping[str, Any]) -> dict[str, Any]:
    """A field that holds values by name."""
    value = fields.get(name)
    if not isinstance(value, dict):
        raise BadInput(f"{path}: {name} is {type(value).__name__}, must be a map")
    return value


def is_number(value: Any) -> bool:
    """Finite, and no truth value."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
