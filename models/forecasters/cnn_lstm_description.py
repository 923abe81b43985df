"""`forecast.yaml`: what a forecast model was trained for, beside its weights."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from ...pipeline.errors import BadInput
from ...pipeline.frames import POWER_UNITS, Float32
from ...pipeline.histories import HISTORY_STEPS
from ...pipeline.steps import MOST_FREQUENCIES
from ..tensor_file import read_bytes, write_atomically
from .forecaster import HORIZON_STEPS

_FIXED = {"kind": "cnn-lstm", "version": 1, "history_steps": HISTORY_STEPS, "horizon_steps": HORIZON_STEPS}


@dataclass(frozen=True, slots=True, eq=False)
class Description:
    """The fields of `CnnLstm` that are not weights; see there."""

    frequencies_hz: NDArray[np.float64]
    unit: str
    step_s: float
    mean_db: Float32
    scale_db: Float32
    figures: Mapping[str, Any]

    def write(self, path: Path) -> None:
        """Write it as YAML."""
        fields = _FIXED | {
            "unit": self.unit,
            "step_s": self.step_s,
            "training": dict(self.figures),
            "frequencies_hz": self.frequencies_hz.tolist(),
            "normalisation": {"mean_db": self.mean_db.tolist(), "scale_db": self.scale_db.tolist()},
        }
        text = yaml.safe_dump(fields, sort_keys=False, default_flow_style=None, width=110)
        write_atomically(path, text.encode())

    @classmethod
    def read(cls, path: Path) -> Description:
        """Read and check it. Raises BadInput with the file, the field, the value and the limit."""
        try:
            fields = yaml.safe_load(read_bytes(path))
        except (UnicodeDecodeError, yaml.YAMLError) as error:
            raise BadInput(f"{path}: is not YAML: {' '.join(str(error).split())}") from error
        if not isinstance(fields, dict):
            raise BadInput(f"{path}: is {type(fields).__name__}, must be a map")
        for name, value in _FIXED.items():
            if fields.get(name) != value:
                raise BadInput(f"{path}: {name} is {fields.get(name)!r}, must be {value!r}")
        normalisation = fields.get("normalisation")
        training = fields.get("training")
        if not isinstance(normalisation, dict) or not isinstance(training, dict):
            raise BadInput(f"{path}: normalisation and training must be maps")
        if fields.get("unit") not in POWER_UNITS:
            raise BadInput(f"{path}: unit is {fields.get('unit')!r}, must be one of {', '.join(POWER_UNITS)}")
        frequencies_hz = _numbers(path, "frequencies_hz", fields.get("frequencies_hz"))
        scales = {}
        for name in ("mean_db", "scale_db"):
            scales[name] = _numbers(path, f"normalisation.{name}", normalisation.get(name))
            if scales[name].size != frequencies_hz.size:
                raise BadInput(
                    f"{path}: normalisation.{name} has {scales[name].size} values, "
                    f"must have as many as frequencies_hz, {frequencies_hz.size}"
                )
        if scales["scale_db"].min() <= 0:
            raise BadInput(
                f"{path}: normalisation.scale_db holds {scales['scale_db'].min():g}, must be above 0"
            )
        return cls(
            frequencies_hz=frequencies_hz,
            unit=fields["unit"],
            step_s=_positive(path, "step_s", fields.get("step_s")),
            mean_db=scales["mean_db"].astype(np.float32),
            scale_db=scales["scale_db"].astype(np.float32),
            figures=training,
        )


def _numbers(path: Path, name: str, values: Any) -> NDArray[np.float64]:
    if not isinstance(values, list) or not 1 <= len(values) <= MOST_FREQUENCIES:
        found = f"{len(values)} values" if isinstance(values, list) else repr(values)
        raise BadInput(f"{path}: {name} is {found}, must be a list of 1 to {MOST_FREQUENCIES} numbers")
    for value in values:
        if not _is_number(value):
            raise BadInput(f"{path}: {name} holds {value!r}, must be finite numbers")
    return np.array(values, dtype=np.float64)


def _positive(path: Path, name: str, value: Any) -> float:
    if not _is_number(value) or value <= 0:
        raise BadInput(f"{path}: {name} is {value!r}, must be a finite number above 0")
    return float(value)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
