"""The default forecaster: experts mixed by rolling origin, few arrays, numpy alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import ThreadpoolController

from ...pipeline.frames import Float32, Int64, PowerUnit
from ..tensor_file import read_arrays, write_tensors
from .default_description import DefaultDescription
from .default_experts import Mixture
from .default_inputs import InputReader
from .default_tensors import checked_frequencies, checked_mixture, tensors_of_mixture
from .level_shifts import jump_rows

WEIGHTS_FILE = "default_forecast.safetensors"
DESCRIPTION_FILE = "default_forecast.yaml"
CHUNK = 64


@dataclass(frozen=True, slots=True, eq=False)
class Default:
    """What was fitted on one band; see docs/decisions/0013-the-default-forecaster.md.

    `frequencies_hz` [F] are those of all inputs; `figures` say how the trials inside the training rows went.
    """

    frequencies_hz: NDArray[np.float64]
    unit: PowerUnit
    step_s: float
    reader: InputReader
    mixture: Mixture
    figures: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return "default"

    @property
    def needs_rows(self) -> int:
        return self.reader.needs_rows

    def forecasts(self, values: Float32, origins: Int64) -> Float32:
        """Shape: see `FittedForecaster`."""
        outputs = self.reader.outputs
        said = np.empty((len(origins), 12, outputs.stop - outputs.start), np.float32)
        first = max(0, int(origins.min(initial=len(values))) - self.needs_rows)
        values, origins = values[first : int(origins.max(initial=first))], origins - first
        jumps = jump_rows(values)
        # On a busy machine BLAS threads wait for each other a hundred times longer than the work takes.
        with _blas().limit(limits=1, user_api="blas"):
            for start in range(0, len(origins), CHUNK):
                some = origins[start : start + CHUNK]
                change = self.mixture.change(self.reader.read(values, some, jumps))  # [m, C, 12]
                said[start : start + CHUNK] = values[some - 1, np.newaxis, outputs] + change.transpose(
                    0, 2, 1
                )
        return said

    def save(self, folder: str | Path) -> None:
        """Write `default_forecast.safetensors` and `default_forecast.yaml` into a folder, made if absent."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        arrays = tensors_of_mixture(self.mixture) | {"frequencies_hz": self.frequencies_hz}
        write_tensors(folder / WEIGHTS_FILE, arrays)
        DefaultDescription(
            self.unit, self.step_s, self.reader.outputs, self.reader.period, self.reader.level, self.figures
        ).write(folder / DESCRIPTION_FILE)

    @classmethod
    def load(cls, folder: str | Path) -> Default:
        """Read and check a folder that `save` wrote. Raises BadInput on anything else."""
        folder = Path(folder)
        path = folder / WEIGHTS_FILE
        description = DefaultDescription.read(folder / DESCRIPTION_FILE)
        arrays = read_arrays(path)
        frequencies_hz = checked_frequencies(str(path), arrays, description.outputs)
        reader = InputReader(description.outputs, description.period, description.level)
        return cls(
            frequencies_hz=frequencies_hz,
            unit=description.unit,
            step_s=description.step_s,
            reader=reader,
            mixture=checked_mixture(str(path), arrays, reader, frequencies_hz.size),
            figures=description.figures,
        )


@cache
def _blas() -> ThreadpoolController:
    """Finding the libraries takes milliseconds; it is done once."""
    return ThreadpoolController()
