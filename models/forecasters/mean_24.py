"""The mean of the last 24 rows, off line: everything returns to its level."""

from __future__ import annotations

import numpy as np

from ...pipeline.frames import Float32, Int64
from ...pipeline.histories import HISTORY_STEPS
from ..forecast_past import past_rows
from ..forecast_problem import ForecastProblem, TrainingWatch
from .forecaster import HORIZON_STEPS


class Mean24:
    """Says the mean of the last 24 rows twelve times."""

    name = "mean-24"
    needs_rows = HISTORY_STEPS

    def __init__(self, outputs: slice) -> None:
        self._outputs = outputs

    def forecasts(self, values: Float32, origins: Int64) -> Float32:
        """Shape: [n, F], [m] -> [m, 12, outputs]."""
        past = past_rows(values[:, self._outputs], origins, HISTORY_STEPS)
        mean = past.mean(axis=1, keepdims=True, dtype=np.float64).astype(np.float32)
        return np.repeat(mean, HORIZON_STEPS, axis=1)


def train_mean_24(problem: ForecastProblem, _seed: int, _watch: TrainingWatch) -> Mean24:
    """There is nothing to learn."""
    return Mean24(problem.outputs)
