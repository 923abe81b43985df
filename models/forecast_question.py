"""What forecasters are asked off line: which rows to learn from, which rows and columns to forecast."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..pipeline.errors import BadInput
from ..pipeline.frames import Float32, Int64
from ..pipeline.histories import HISTORY_STEPS
from .forecast_past import LEAST_ORIGINS
from .forecast_problem import ForecastProblem
from .forecast_rows import ForecastRows
from .forecasters.forecaster import HORIZON_STEPS

FEWEST_TRAINING_ROWS = HISTORY_STEPS + HORIZON_STEPS


@dataclass(frozen=True)
class ForecastQuestion:
    """Learn from the rows `train`, forecast `horizon` steps of `columns` wherever they lie within `test`.

    Rows are half-open, by the numbers of `rows`. `columns` may be several sets: each is a problem of its
    own, with every column of the band as input.
    """

    rows: ForecastRows
    train: slice
    test: slice
    columns: Sequence[slice]
    horizon: int = HORIZON_STEPS

    def check(self) -> None:
        """Raise BadInput, in the words of the command line, where the data cannot answer it."""
        for option, asked in (("--train-rows", self.train), ("--test-rows", self.test)):
            if asked.stop > self.rows.count:
                raise BadInput(f"{option} {_shown(asked)}: the data has {self.rows.count} rows")
        shared = min(self.train.stop, self.test.stop) - max(self.train.start, self.test.start)
        if shared > 0:
            raise BadInput(
                f"--test-rows {_shown(self.test)}: shares {shared} rows with --train-rows "
                f"{_shown(self.train)}; limit: none, what was learned by heart would pass for foresight"
            )
        frequencies = self.rows.table.frequencies_hz.size
        for each in self.columns:
            if each.stop > frequencies:
                raise BadInput(f"--out-columns {_shown(each)}: the data has {frequencies} columns")
        if not 1 <= self.horizon <= HORIZON_STEPS:
            raise BadInput(f"--horizon {self.horizon}: limit: 1 to {HORIZON_STEPS} steps")
        rows = len(self.rows.between(self.train).values)
        if rows < FEWEST_TRAINING_ROWS:
            raise BadInput(
                f"--train-rows {_shown(self.train)}: {rows} rows to learn from; limit: at least "
                f"{FEWEST_TRAINING_ROWS}, a history and what it foretells"
            )
        if not len(self.origins):
            raise BadInput(
                f"--test-rows {_shown(self.test)}: no origin; limit: {self.horizon} rows there and the "
                f"{HISTORY_STEPS} before them without a break"
            )

    def check_windows(self, model: str | None = None, share: float = 1.0) -> None:
        """Raise BadInput where training would find too few windows in the first `share` of its rows.

        With a `model` it is that one's need, else everybody's.
        """
        windows = self._training_windows(share)
        if windows >= LEAST_ORIGINS:
            return
        rows = next(
            n for n in itertools.count(1) if round(share * n) >= LEAST_ORIGINS + FEWEST_TRAINING_ROWS - 1
        )
        part = (
            "" if model is None else f" in the first {share:.0%} of them, which {model} tries its choices on"
        )
        raise BadInput(
            f"--train-rows {_shown(self.train)}: {windows} windows of {FEWEST_TRAINING_ROWS} rows without a "
            f"break to learn from{part}; limit: at least {LEAST_ORIGINS}, as {rows} whole rows have"
            + ("" if model is None else f", or --models without {model}")
        )

    def _training_windows(self, share: float) -> int:
        first, end = np.searchsorted(self.rows.number, (self.train.start, self.train.stop)).tolist()
        rows = round(share * (end - first))
        if not rows:
            return 0
        origins = self.rows.unbroken(HISTORY_STEPS, HORIZON_STEPS)
        inside = origins - HISTORY_STEPS >= self.train.start
        return int((inside & (origins + HORIZON_STEPS <= self.rows.number[first + rows - 1] + 1)).sum())

    @cached_property
    def origins(self) -> Int64:
        """Rows of the first targets [n], ascending: all targets in `test`, no break from history to end."""
        unbroken = self.rows.unbroken(HISTORY_STEPS, self.horizon)
        inside = (unbroken >= self.test.start) & (unbroken + self.horizon <= self.test.stop)
        return unbroken[inside]

    @property
    def left_out(self) -> dict[str, int]:
        """How many places of an origin in `test` have none: `no_history`, `broken`."""
        places = np.arange(self.test.start, max(self.test.start, self.test.stop - self.horizon + 1))
        no_history = int((places < HISTORY_STEPS).sum())
        return {"no_history": no_history, "broken": len(places) - no_history - len(self.origins)}

    @cached_property
    def digest(self) -> str:
        """Of every value that training or asking may see, and of what is asked but for the columns."""
        table = self.rows.table
        facts = [table.unit, table.step_s, table.breaks, table.changes, self.rows.count]
        sha = hashlib.sha256(json.dumps([facts, self.train.start, self.train.stop, self.horizon]).encode())
        for array in (table.frequencies_hz, table.values, table.end_ns, self.rows.number, self.origins):
            sha.update(np.ascontiguousarray(array).tobytes())
        return sha.hexdigest()

    def truth(self, columns: slice) -> Float32:
        """What came. Shape: [n, horizon, f]."""
        first = np.searchsorted(self.rows.number, self.origins)
        steps = first[:, np.newaxis] + np.arange(self.horizon)
        return self.rows.table.values[:, columns][steps]

    def problem(self, columns: slice) -> ForecastProblem:
        """The training rows alone, and what is to be forecast."""
        return ForecastProblem(self.rows.between(self.train), columns)


def _shown(part: slice) -> str:
    return f"{part.start}:{part.stop}"
