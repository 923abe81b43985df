"""NLinear, off line: one linear map on the last 24 values minus the last, shared by all columns."""

from __future__ import annotations

import numpy as np

from ...pipeline.frames import Float32, Int64
from ...pipeline.histories import HISTORY_STEPS
from ..forecast_past import past_rows, targets, thinned, training_rows
from ..forecast_problem import ForecastProblem, TrainingWatch
from ..ridge_solving import Float64, NormalEquations
from ..rolling_origin import rolling_folds
from .forecaster import HORIZON_STEPS

STRENGTHS = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)
MOST_SAMPLES = 600_000


class FittedNLinear:
    """NLinear of Zeng et al., "Are Transformers Effective for Time Series Forecasting?" (2022).

    `weights` float64 [24, 12]: of 23 differences from the last value, oldest first, and of a one.
    """

    name = "nlinear"
    needs_rows = HISTORY_STEPS

    def __init__(self, outputs: slice, weights: Float64) -> None:
        self._outputs = outputs
        self.weights = weights

    def forecasts(self, values: Float32, origins: Int64) -> Float32:
        """Shape: [n, F], [m] -> [m, 12, outputs]."""
        past = past_rows(values[:, self._outputs], origins, HISTORY_STEPS)
        change = _inputs(past) @ self.weights  # [m, C, 24] -> [m, C, 12]
        return (past[:, -1:] + change.transpose(0, 2, 1)).astype(np.float32)


def train_nlinear(problem: ForecastProblem, _seed: int, _watch: TrainingWatch) -> FittedNLinear:
    """Ridge least squares over every window; the strength is the best by rolling origin."""
    values, origins = training_rows(problem.table)
    columns = problem.outputs.stop - problem.outputs.start
    origins = thinned(origins, MOST_SAMPLES // columns)
    past = past_rows(values[:, problem.outputs], origins, HISTORY_STEPS)
    change = (targets(values, origins, problem.outputs) - past[:, -1:]).transpose(0, 2, 1)  # [m, C, 12]
    inputs = _inputs(past)
    square = np.zeros(len(STRENGTHS))
    for fold in rolling_folds(origins):
        equations = _equations(inputs[fold.training], change[fold.training])
        for k, strength in enumerate(STRENGTHS):
            error = inputs[fold.trial] @ equations.solve(strength) - change[fold.trial]
            square[k] += np.square(error).sum()
    best = STRENGTHS[int(square.argmin())]
    return FittedNLinear(problem.outputs, _equations(inputs, change).solve(best))


def _equations(inputs: Float32, change: Float32) -> NormalEquations:
    equations = NormalEquations.empty(HISTORY_STEPS, HORIZON_STEPS)
    equations.add(inputs.reshape(-1, HISTORY_STEPS), change.reshape(-1, HORIZON_STEPS))
    return equations


def _inputs(past: Float32) -> Float32:
    """Shape: [m, 24, C] -> [m, C, 24]: 23 differences from the last value, and a one."""
    differences = (past[:, :-1] - past[:, -1:]).transpose(0, 2, 1)
    return np.concatenate([differences, np.ones((*differences.shape[:2], 1), np.float32)], axis=2)
