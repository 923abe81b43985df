"""Ridge on all frequencies, off line: how every column came to its last value, one map to every output."""

from __future__ import annotations

import numpy as np

from ...pipeline.frames import Float32, Int64
from ...pipeline.histories import HISTORY_STEPS
from ..forecast_past import targets, thinned, training_rows
from ..forecast_problem import ForecastProblem, TrainingWatch
from ..ridge_solving import ridge_maps
from ..rolling_origin import rolling_folds
from .forecaster import HORIZON_STEPS
from .level_shifts import RANGE_ROWS, level_past

STRENGTHS = (1e-3, 1e-2, 1e-1, 1.0, 10.0)  # of inputs whose squares sum to one
MOST_UNKNOWNS = 2000


class Ridge:
    """Sees the last 24 rows less the newest, each column in units of how much it moved in the training rows,
    put level where a shift lies among them; says the change from the newest."""

    name = "ridge"
    needs_rows = HISTORY_STEPS + RANGE_ROWS

    def __init__(self, outputs: slice, scale_db: Float32, weights: Float32, bias: Float32) -> None:
        self._outputs = outputs
        self._scale_db = scale_db  # [F]
        self._weights, self._bias = weights, bias  # [23 F, 12 C], [12 C]

    def forecasts(self, values: Float32, origins: Int64) -> Float32:
        """Shape: [n, F], [m] -> [m, 12, outputs]."""
        inputs = _inputs(level_past(values, origins, HISTORY_STEPS), self._scale_db)
        change = (inputs @ self._weights + self._bias).reshape(len(origins), HORIZON_STEPS, -1)
        return (values[origins - 1, np.newaxis, self._outputs] + change).astype(np.float32, copy=False)


def train_ridge(problem: ForecastProblem, _seed: int, _watch: TrainingWatch) -> Ridge:
    """The strength is the best by rolling origin; origins are thinned where there are many and wide ones."""
    values, origins = training_rows(problem.table, Ridge.needs_rows)
    if values.shape[1] * HISTORY_STEPS > MOST_UNKNOWNS:
        origins = thinned(origins, MOST_UNKNOWNS)
    past = level_past(values, origins, HISTORY_STEPS)
    change = targets(values, origins, problem.outputs) - past[:, -1:, problem.outputs]
    change = change.reshape(len(origins), -1).astype(np.float64)
    finite = values[np.isfinite(values).all(axis=1)].astype(np.float64)
    scale_db = finite.std(axis=0)
    scale_db = np.maximum(scale_db, 0.1 * np.sqrt(np.square(scale_db).mean()) or 1.0)
    scale_db = scale_db.astype(np.float32)
    inputs = _inputs(past, scale_db).astype(np.float64)
    square = np.zeros(len(STRENGTHS))
    for fold in rolling_folds(origins):
        x, y = inputs[fold.training], change[fold.training]
        trial = inputs[fold.trial] - x.mean(axis=0)
        for k, weights in enumerate(ridge_maps(x - x.mean(axis=0), y - y.mean(axis=0), STRENGTHS)):
            square[k] += np.square(trial @ weights + y.mean(axis=0) - change[fold.trial]).sum()
    middle, level = inputs.mean(axis=0), change.mean(axis=0)
    (weights,) = ridge_maps(inputs - middle, change - level, [STRENGTHS[int(square.argmin())]])
    bias = level - middle @ weights
    return Ridge(problem.outputs, scale_db, weights.astype(np.float32), bias.astype(np.float32))


def _inputs(past: Float32, scale_db: Float32) -> Float32:
    """Shape: [m, 24, F] -> [m, 23 F], of length about one."""
    flat = ((past[:, :-1] - past[:, -1:]) / scale_db).reshape(len(past), -1)
    return np.asarray(flat / flat.shape[1] ** 0.5, dtype=np.float32)
