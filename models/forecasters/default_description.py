"""`default_forecast.yaml`: what a default forecaster was fitted for, beside its arrays."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from ...pipeline.errors import BadInput
from ...pipeline.frames import POWER_UNITS, PowerUnit
from ...pipeline.histories import HISTORY_STEPS
from ...pipeline.steps import MOST_FREQUENCIES
from ..tensor_file import read_bytes, write_atomically
from .forecaster import HORIZON_STEPS
from .period import MOST_PERIOD_ROWS

_FIXED = {"kind": "default", "version": 1, "history_steps": HISTORY_STEPS, "horizon_steps": HORIZON_STEPS}


@dataclass(frozen=True, slots=True)
class DefaultDescription:
    """`outputs` are columns of the inputs, half-open; `period` is in steps, None where there is none."""

    unit: PowerUnit
    step_s: float
    outputs: slice
    period: int | None
    figures: Mapping[str, Any]

    def write(self, path: Path) -> None:
        """Write it as YAML."""
        fields = _FIXED | {
            "unit": self.unit,
            "step_s": self.step_s,
            "outputs": [self.outputs.start, self.outputs.stop],
            "period": self.period,
            "training": dict(self.figures),
        }
        write_atomically(path, yaml.safe_dump(fields, sort_keys=False, width=110).encode())

    @classmethod
    def read(cls, path: Path) -> DefaultDescription:
        """Read and check it. Raises BadInput with the file, the field, the value and the limit."""
        try:
            fields = yaml.safe_load(read_bytes(path))
        except (UnicodeDecodeError, yaml.YAMLError) as error:
            raise BadInput(f"{path}: is not YAML: {' '.join(str(error).split())}") from error
        if not isinstance(fields, dict):
            raise BadInput(f"{path}: is {type(fields).__name__}, must be a map")
        for name, value in _FIXED.items():
            if fields.get(name) != value:
                raise BadInput(f"{path}: {name} is {fields.get(name)!r:.80}, must be {value!r}")
        if fields.get("unit") not in POWER_UNITS:
            raise BadInput(
                f"{path}: unit is {fields.get('unit')!r:.80}, must be one of {', '.join(POWER_UNITS)}"
            )
        step_s = fields.get("step_s")
        if not isinstance(step_s, int | float) or not math.isfinite(step_s) or step_s <= 0:
            raise BadInput(f"{path}: step_s is {step_s!r:.80}, must be a finite number above 0")
        period = fields.get("period")
        if period is not None and not (_is_whole(period) and HORIZON_STEPS < period <= MOST_PERIOD_ROWS):
            limits = f"{HORIZON_STEPS + 1} to {MOST_PERIOD_ROWS}"
            raise BadInput(f"{path}: period is {period!r:.80}, must be null or {limits}")
        training = fields.get("training")
        if not isinstance(training, dict):
            raise BadInput(f"{path}: training is {type(training).__name__}, must be a map")
        return cls(fields["unit"], float(step_s), _outputs(path, fields.get("outputs")), period, training)


def _outputs(path: Path, pair: Any) -> slice:
    if not isinstance(pair, list) or len(pair) != 2 or not all(_is_whole(each) for each in pair):
        raise BadInput(f"{path}: outputs is {pair!r:.80}, must be two whole numbers")
    if not 0 <= pair[0] < pair[1] <= MOST_FREQUENCIES:
        raise BadInput(f"{path}: outputs is {pair!r:.80}, must rise within 0 to {MOST_FREQUENCIES}")
    return slice(pair[0], pair[1])


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
