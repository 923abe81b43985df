"""`forecast.yaml`: what a forecast model was trained for, beside its weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from ...pipeline.errors import BadInput
from ...pipeline.frames import Float32
from ...pipeline.histories import HISTORY_STEPS
from ...pipeline.steps import MOST_FREQUENCIES
from ..tensor_file import write_atomically
from .description_file import is_number, map_of, positive, read_description, unit_of
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
        fields = read_description(path, _FIXED)
        normalisation, training = (map_of(path, name, fields) for name in ("normalisation", "training"))
        unit = unit_of(path, fields)
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
            unit=unit,
            step_s=positive(path, "step_s", fields.get("step_s")),
            mean_db=scales["mean_db"].astype(np.float32),
            scale_db=scales["scale_db"].astype(np.float32),
            figures=training,
        )


def _numbers(path: Path, name: str, values: Any) -> NDArray[np.float64]:
    if not isinstance(values, list) or not 1 <= len(values) <= MOST_FREQUENCIES:
        found = f"{len(values)} values" if isinstance(values, list) else repr(values)
        raise BadInput(f"{path}: {name} is {found}, must be a list of 1 to {MOST_FREQUENCIES} numbers")
    for value in values:
        if not is_number(value):
            raise BadInput(f"{path}: {name} holds {value!r}, must be finite numbers")
    return np.array(values, dtype=np.float64)
