"""What a forecaster is fitted on and asked for, off line: a band's rows in, twelve steps of columns out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ..pipeline.frames import Float32, Int64
from .step_table import StepTable


@dataclass(frozen=True, slots=True, eq=False)
class ForecastProblem:
    """The rows that may be learned from, `table`, and the columns that are to be forecast.

    Inputs may be every column of the table; nothing may span its breaks.
    """

    table: StepTable
    outputs: slice


@dataclass(frozen=True, slots=True)
class TrainingWatch:
    """Where a long training keeps what it has (None: nowhere); whom it tells of epochs done, of how many."""

    checkpoint: Path | None = None
    on_epoch: Callable[[int, int], None] = lambda _done, _of: None


class FittedForecaster(Protocol):
    """A forecaster after its training; what it gives depends on nothing but its arguments."""

    @property
    def name(self) -> str: ...

    @property
    def needs_rows(self) -> int:
        """How many rows before an origin it reads at most; at least 24."""
        ...

    def forecasts(self, values: Float32, origins: Int64) -> Float32:
        """Forecast the twelve rows from each origin on.

        Shape: values [n, F], all the columns of the training, a regular grid in which a missing step is a
        row of NaN; origins [m], the rows of the first targets -> [m, 12, outputs].
        Of `values` only the `needs_rows` rows before an origin are read. The last 24 of them are finite;
        an older one that is NaN or before row 0 counts as unknown.
        """
        ...


Trainer = Callable[[ForecastProblem, int, TrainingWatch], FittedForecaster]
