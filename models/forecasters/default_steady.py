"""The default forecaster as it was fitted: experts mixed by rolling origin inside the training rows."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import ThreadpoolController

from ...pipeline.frames import Float32, Int64, PowerUnit
from .default_experts import Mixture
from .default_inputs import InputReader
from .level_shifts import jump_rows, spanned

CHUNK = 64


@dataclass(frozen=True, slots=True, eq=False)
class SteadyDefault:
    """What was fitted on one band; see docs/decisions/0013-the-default-forecaster.md.

    Its mix stays what it is; `Default` mixes on by what came of the last forecasts. `frequencies_hz` [F] are
    those of all inputs; `figures` say how the trials inside the training rows went.
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
        with one_blas_thread():
            for start in range(0, len(origins), CHUNK):
                some = origins[start : start + CHUNK]
                change = self.mixture.change(self.reader.read(values, some, jumps))  # [m, C, 12]
                said[start : start + CHUNK] = values[some - 1, np.newaxis, outputs] + change.transpose(
                    0, 2, 1
                )
        return said

    def both_readings(self, values: Float32, origins: Int64) -> tuple[Float32, Float32]:
        """With rows before a level shift put level, as `forecasts`, and with all rows as they are."""
        level = self.forecasts(values, origins)
        if not self.reader.level:
            return level, level
        shifted = spanned(jump_rows(values), origins, self.reader.reads_rows)
        if not shifted.any():
            return level, level
        plain = level.copy()
        unlevelled = replace(self, reader=replace(self.reader, level=False))
        plain[shifted] = unlevelled.forecasts(values, origins[shifted])
        return level, plain


def one_blas_thread() -> AbstractContextManager[object]:
    """While it is entered, matrix products stay in the thread that asks for them."""
    return _blas().limit(limits=1, user_api="blas")


@cache
def _blas() -> ThreadpoolController:
    """Finding the libraries takes milliseconds; it is done once."""
    return ThreadpoolController()
