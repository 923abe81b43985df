"""Repeat-last, off line: nothing changes."""

from __future__ import annotations

import numpy as np

from ...pipeline.frames import Float32, Int64
from ...pipeline.histories import HISTORY_STEPS
from ..forecast_problem import ForecastProblem, TrainingWatch
from .forecaster import HORIZON_STEPS


class FittedRepeatLast:
    """Says the last row twelve times."""

    name = "repeat-last"
    needs_rows = HISTORY_STEPS

    def __init__(self, outputs: slice) -> None:
        self._outputs = outputs

    def forecasts(self, values: Float32, origins: Int64) -> Float32:
        """Shape: [n, F], [m] -> [m, 12, outputs]."""
        return np.repeat(values[origins - 1][:, np.newaxis, self._outputs], HORIZON_STEPS, axis=1)


def train_repeat_last(problem: ForecastProblem, _seed: int, _watch: TrainingWatch) -> FittedRepeatLast:
    """There is nothing to learn."""
    return FittedRepeatLast(problem.outputs)
