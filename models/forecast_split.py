"""Which windows of a table of steps train a forecaster, and which validate it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from ..pipeline.errors import BadInput
from ..pipeline.frames import Float32, Int64
from ..pipeline.histories import HISTORY_STEPS
from .forecasters.forecaster import HORIZON_STEPS
from .step_table import StepTable

LEAST_TRAINING_WINDOWS = 32
LEAST_SCALE_SHARE = 0.1
VALIDATION_SHARE = 0.2
WINDOW_STEPS = HISTORY_STEPS + HORIZON_STEPS
_EVERY = slice(None)


@dataclass(frozen=True, slots=True, eq=False)
class ForecastSplit:
    """A table's steps, scaled, and the rows at which training and validation windows begin (int64).

    Validation windows are those whose targets lie wholly in the last share of the rows; training windows
    lie wholly before. `mean_db` and `scale_db`, float32 [F], are the mean and standard
    deviation of the training windows' rows alone; the latter at least a tenth of the whole band's. Every
    column goes in; `outputs` are those that are to be forecast.
    """

    scaled: Float32
    mean_db: Float32
    scale_db: Float32
    training: Int64
    validation: Int64
    outputs: slice

    @classmethod
    def of(
        cls,
        table: StepTable,
        outputs: slice = _EVERY,
        *,
        validation_share: float = VALIDATION_SHARE,
    ) -> ForecastSplit:
        """Cut and scale; with a share of 0 every window trains and none validates.

        Raises BadInput where there are too few windows of 36 unbroken, finite steps.
        """
        name = f"{table.node}/{table.band}"
        rows = len(table.values)
        held_out = rows - round(rows * validation_share)
        firsts = _window_firsts(table)
        training = firsts[: np.searchsorted(firsts, held_out - WINDOW_STEPS, side="right")]
        validation = firsts[np.searchsorted(firsts, held_out - HISTORY_STEPS) :]
        least_validation = 1 if validation_share > 0 else 0
        if len(training) < LEAST_TRAINING_WINDOWS or len(validation) < least_validation:
            raise BadInput(
                f"forecast training of {name}: {rows} steps give {len(training)} training and "
                f"{len(validation)} validation windows of {WINDOW_STEPS} unbroken steps, "
                f"needs at least {LEAST_TRAINING_WINDOWS} and {least_validation}"
            )
        seen = table.values[np.unique(training[:, np.newaxis] + np.arange(WINDOW_STEPS))].astype(np.float64)
        mean_db = seen.mean(axis=0).astype(np.float32)
        deviation_db = seen.std(axis=0)
        # A frequency that hardly moved in training would turn its first real change into a huge input.
        least_db = LEAST_SCALE_SHARE * float(np.sqrt(np.square(deviation_db).mean())) or 1.0
        scale_db = np.maximum(deviation_db, least_db).astype(np.float32)
        scaled = ((table.values - mean_db) / scale_db).astype(np.float32)
        return cls(scaled, mean_db, scale_db, training, validation, outputs)

    def batch(self, firsts: Int64, device: str = "cpu") -> tuple[Tensor, Tensor]:
        """Shape: [n] -> histories [n, 24, F], targets [n, 12, outputs], both scaled, on the device."""
        rows = firsts[:, np.newaxis] + np.arange(WINDOW_STEPS)
        histories = self.scaled[rows[:, :HISTORY_STEPS]]
        targets = self.scaled[:, self.outputs][rows[:, HISTORY_STEPS:]]
        return torch.from_numpy(histories).to(device), torch.from_numpy(targets).to(device)

    def validation_rmse_db(self, network: nn.Module, device: str = "cpu") -> float:
        """Of the network's forecasts of the validation windows; NaN where there is none.

        Leaves the network in evaluation mode.
        """
        network.eval()
        if not len(self.validation):
            return math.nan
        square = 0.0
        scale_db = torch.from_numpy(self.scale_db[self.outputs]).to(device)
        with torch.inference_mode():
            for start in range(0, len(self.validation), 256):
                histories, targets = self.batch(self.validation[start : start + 256], device)
                error_db = (network(histories) - targets) * scale_db
                square += error_db.square().mean().item() * len(histories)
        return (square / len(self.validation)) ** 0.5

    def repeat_last_rmse_db(self) -> float:
        """Of repeating the last step, on the validation windows."""
        histories, targets = self.batch(self.validation)
        error_db = (histories[:, -1:, self.outputs] - targets) * torch.from_numpy(self.scale_db[self.outputs])
        return error_db.square().mean().item() ** 0.5


def _window_firsts(table: StepTable) -> Int64:
    """Rows at which 36 unbroken, finite steps begin."""
    rows = len(table.values)
    bad = ~np.isfinite(table.values).all(axis=1)
    breaks = np.zeros(rows, dtype=bool)
    breaks[[row for row in table.breaks if 0 < row < rows]] = True
    firsts = np.arange(max(0, rows - WINDOW_STEPS + 1))
    bad_before = np.concatenate([[0], np.cumsum(bad)])
    breaks_before = np.concatenate([[0], np.cumsum(breaks)])
    whole = bad_before[firsts + WINDOW_STEPS] == bad_before[firsts]
    unbroken = breaks_before[firsts + WINDOW_STEPS] == breaks_before[firsts + 1]
    return np.flatnonzero(whole & unbroken)
