"""Seasonal repeat, off line: what was a period ago comes again."""

from __future__ import annotations

import numpy as np

from ...pipeline.frames import Float32, Int64
from ...pipeline.histories import HISTORY_STEPS
from ..forecast_past import training_rows
from ..forecast_problem import ForecastProblem, TrainingWatch
from .forecaster import HORIZON_STEPS
from .period import find_period


class Seasonal:
    """Says the rows of one period ago; the last row where there is no period or they are not known."""

    name = "seasonal"

    def __init__(self, outputs: slice, period: int | None) -> None:
        self._outputs = outputs
        self.period = period

    @property
    def needs_rows(self) -> int:
        return max(HISTORY_STEPS, self.period or 0)

    def forecasts(self, values: Float32, origins: Int64) -> Float32:
        """Shape: [n, F], [m] -> [m, 12, outputs]."""
        values = values[:, self._outputs]
        said = np.repeat(values[origins - 1][:, np.newaxis], HORIZON_STEPS, axis=1)
        if self.period is None:
            return said
        rows = origins[:, np.newaxis] + np.arange(HORIZON_STEPS) - self.period  # period > 12: all before
        past = values[np.maximum(rows, 0)]
        return np.where((rows >= 0)[:, :, np.newaxis] & np.isfinite(past), past, said)


def train_seasonal(problem: ForecastProblem, _seed: int, _watch: TrainingWatch) -> Seasonal:
    """Finds the period in all columns of the table."""
    values, _ = training_rows(problem.table)
    return Seasonal(problem.outputs, find_period(values, problem.table.step_s))
