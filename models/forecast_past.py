"""The rows before an origin, and the origins of a table: what every off-line forecaster reads."""

from __future__ import annotations

import numpy as np

from ..pipeline.errors import BadInput
from ..pipeline.frames import Float32, Int64
from ..pipeline.histories import HISTORY_STEPS
from .forecasters.forecaster import HORIZON_STEPS
from .step_table import StepTable

LEAST_ORIGINS = 32


def past_rows(values: Float32, origins: Int64, rows: int) -> Float32:
    """The `rows` rows before each origin, oldest first; NaN before row 0.

    Shape: values [n, F], origins [m] -> [m, rows, F].
    """
    index = origins[:, np.newaxis] - np.arange(rows, 0, -1)
    past = values[np.maximum(index, 0)]
    past[index < 0] = np.nan
    return past


def training_rows(table: StepTable, reach: int = 0) -> tuple[Float32, Int64]:
    """The table's rows and the origins that may be learned from, in their order.

    At every break of the table `reach` rows of NaN (at least one) are put between, so that no reader of so
    many rows spans it. An origin has 24 finite rows before it and 12 from it on, none missing. Raises
    BadInput where there are fewer than 32.

    Shape: -> values [n, F] with the rows put between, origins [m].
    """
    breaks = sorted({row for row in table.breaks if 0 < row < len(table.values)})
    between = np.full((max(reach, 1), table.values.shape[1]), np.nan, np.float32)
    parts: list[Float32] = []
    for part in np.split(table.values, breaks):
        parts += [part, between]
    values = np.concatenate(parts[:-1])
    finite = np.isfinite(values).all(axis=1)
    before = np.concatenate([[0], np.cumsum(finite)])
    firsts = np.arange(max(0, len(values) - HISTORY_STEPS - HORIZON_STEPS + 1))
    whole = before[firsts + HISTORY_STEPS + HORIZON_STEPS] - before[firsts]
    origins = firsts[whole == HISTORY_STEPS + HORIZON_STEPS] + HISTORY_STEPS
    if len(origins) < LEAST_ORIGINS:
        raise BadInput(
            f"forecast training of {table.node}/{table.band}: {len(table.values)} steps give {len(origins)} "
            f"windows of {HISTORY_STEPS + HORIZON_STEPS} unbroken, finite steps, "
            f"needs at least {LEAST_ORIGINS}"
        )
    return values, origins.astype(np.int64)


def targets(values: Float32, origins: Int64, outputs: slice) -> Float32:
    """What the rows from each origin on are. Shape: [n, F], [m] -> [m, 12, outputs]."""
    return values[origins[:, np.newaxis] + np.arange(HORIZON_STEPS)][:, :, outputs]


def thinned(origins: Int64, most: int) -> Int64:
    """Evenly spaced ones of them, at most so many."""
    return origins[:: max(1, -(-len(origins) // max(most, 1)))]
