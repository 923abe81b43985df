"""`default_forecast.yaml`: what a default forecaster was fitted for, beside its arrays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from ...pipeline.errors import BadInput
from ...pipeline.frames import PowerUnit
from ...pipeline.histories import HISTORY_STEPS
from ...pipeline.steps import MOST_FREQUENCIES
from ..tensor_file import write_atomically
from .description_file import map_of, positive, read_description, unit_of
from .forecaster import HORIZON_STEPS
from .period import MOST_PERIOD_ROWS

_FIXED = {"kind": "default", "version": 3, "history_steps": HISTORY_STEPS, "horizon_steps": HORIZON_STEPS}


@dataclass(frozen=True, slots=True)
class DefaultDescription:
    """`outputs` are columns of the inputs, half-open; `period` is in steps, None where there is none.

    `level` is whether rows before a level shift are put level."""

    unit: PowerUnit
    step_s: float
    outputs: slice
    period: int | None
    level: bool
    figures: Mapping[str, Any]

    def write(self, path: Path) -> None:
        """Write it as YAML."""
        fields = _FIXED | {
            "unit": self.unit,
            "step_s": self.step_s,
            "outputs": [self.outputs.start, self.outputs.stop],
            "period": self.period,
            "level": self.level,
            "training": dict(self.figures),
        }
        write_atomically(path, yaml.safe_dump(fields, sort_keys=False, width=110).encode())

    @classmethod
    def read(cls, path: Path) -> DefaultDescription:
        """Read and check it. Raises BadInput with the file, the field, the value and the limit."""
        fields = read_description(path, _FIXED)
        unit, step_s = unit_of(path, fields), positive(path, "step_s", fields.get("step_s"))
        period = fields.get("period")
        if period is not None and not (_is_whole(period) and HORIZON_STEPS < period <= MOST_PERIOD_ROWS):
            limits = f"{HORIZON_STEPS + 1} to {MOST_PERIOD_ROWS}"
            raise BadInput(f"{path}: period is {period!r:.80}, must be null or {limits}")
        level = fields.get("level")
        if not isinstance(level, bool):
            raise BadInput(f"{path}: level is {level!r:.80}, must be true or false")
        training, outputs = map_of(path, "training", fields), _outputs(path, fields.get("outputs"))
        return cls(unit, step_s, outputs, period, level, training)


def _outputs(path: Path, pair: Any) -> slice:
    if not isinstance(pair, list) or len(pair) != 2 or not all(_is_whole(each) for each in pair):
        raise BadInput(f"{path}: outputs is {pair!r:.80}, must be two whole numbers")
    if not 0 <= pair[0] < pair[1] <= MOST_FREQUENCIES:
        raise BadInput(f"{path}: outputs is {pair!r:.80}, must rise within 0 to {MOST_FREQUENCIES}")
    return slice(pair[0], pair[1])


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
