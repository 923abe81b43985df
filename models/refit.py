"""A new fit of a band's default forecaster, measured on the newest steps, which it does not see."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ..pipeline.errors import BadInput
from ..pipeline.frames import Float32, Int64
from ..pipeline.histories import HISTORY_STEPS
from .error_record import Squares, rmse_db
from .forecast_fit import Fit, save_fit, squares_of
from .forecast_problem import ForecastProblem, TrainingWatch
from .forecasters.default_training import train_default
from .forecasters.forecaster import HORIZON_STEPS
from .step_table import StepTable

LEAST_STEPS = 240
LEAST_TAIL, MOST_TAIL = 48, 288
TAIL_SHARE = 8
LEAST_COMPARED = 24


@dataclass(frozen=True, slots=True, eq=False)
class Refit:
    """What came of it: `key` of the new fit, None where the one in use is no worse; errors on the tail."""

    key: str | None
    made_ns: int
    steps: int
    squares: Squares


def refit(table: StepTable, folder: Path, *, in_use: Fit | None, seed: int, made_ns: int) -> Refit | None:
    """Fit on all but the newest eighth of the steps (48 to 288 of them) and write it to `folder`.

    None where there are fewer than 240 steps, or no whole forecast in the newest. `in_use` is measured by
    the same forecasts, those that begin after its own steps (more days than before may hold out some of
    these); if it is no worse it stays. With fewer than 24 such forecasts nobody can tell, and it gives way.
    BadInput and OSError as training and the disk have it.
    """
    tail = min(max(LEAST_TAIL, len(table.values) // TAIL_SHARE), MOST_TAIL)
    held_out = len(table.values) - tail
    if len(table.values) < LEAST_STEPS:
        return None
    problem = ForecastProblem(_first_rows(table, held_out), slice(0, len(table.frequencies_hz)))
    forecaster = train_default(problem, seed, TrainingWatch())
    needs_rows = forecaster.needs_rows
    if in_use is not None:
        needs_rows = max(needs_rows, in_use.forecaster.needs_rows)
    values, rows = _grid(table, needs_rows)
    origins = _origins(values, int(rows[held_out]))
    if not len(origins):
        return None
    if in_use is not None and _may_be_compared(in_use, table):
        unseen = origins[origins > max(rows[table.end_ns <= in_use.fitted_until_ns], default=-1)]
        if len(unseen) >= LEAST_COMPARED:
            stays = squares_of(in_use.forecaster, values, unseen)
            if not rmse_db(squares_of(forecaster, values, unseen))[0] < rmse_db(stays)[0]:
                return Refit(None, made_ns, held_out, stays)
    squares = squares_of(forecaster, values, origins)
    last = int(np.searchsorted(rows, origins[-1] + HORIZON_STEPS - 1))
    key = save_fit(
        folder,
        forecaster,
        problem.table,
        squares=squares,
        scored_until_ns=int(table.end_ns[last]),
        made_ns=made_ns,
    )
    return Refit(key, made_ns, held_out, squares)


def _first_rows(table: StepTable, rows: int) -> StepTable:
    return replace(
        table,
        values=table.values[:rows],
        end_ns=table.end_ns[:rows],
        breaks=tuple(row for row in table.breaks if row < rows),
        changes=tuple(row for row in table.changes if row < rows),
    )


def _may_be_compared(fit: Fit, table: StepTable) -> bool:
    try:
        fit.check(table.frequencies_hz, table.step_s)
    except BadInput:
        return False
    return fit.unit == table.unit


def _grid(table: StepTable, needs_rows: int) -> tuple[Float32, Int64]:
    """The steps on a regular grid, what is missing between as rows of NaN, and where each row went.

    After a change of meaning as many as a forecaster looks back. Shape: -> [m, F], [n].
    """
    step_ns = table.step_s * 1e9
    apart = np.ones(len(table.values), np.int64)
    for row in table.breaks:
        missing = round(float(table.end_ns[row] - table.end_ns[row - 1]) / step_ns) - 1
        is_change = row in table.changes or missing < 0
        apart[row] += needs_rows if is_change else min(max(missing, 1), needs_rows)
    rows = np.cumsum(apart) - 1
    values = np.full((int(rows[-1]) + 1, table.values.shape[1]), np.nan, np.float32)
    values[rows] = table.values
    return values, rows


def _origins(values: Float32, first: int) -> Int64:
    """Rows from `first` on at which a forecast may begin: 24 finite rows before it, 12 from it on."""
    finite = np.isfinite(values).all(axis=1)
    before = np.concatenate([[0], np.cumsum(finite)])
    origins = np.arange(max(first, HISTORY_STEPS), len(values) - HORIZON_STEPS + 1)
    whole = before[origins + HORIZON_STEPS] - before[origins - HISTORY_STEPS]
    return origins[whole == HISTORY_STEPS + HORIZON_STEPS].astype(np.int64)
