"""A trained network as a forecaster off line: scaling, batches, and back to the band's unit."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from ...pipeline.frames import Float32, Int64
from ...pipeline.histories import HISTORY_STEPS
from ..one_thread import one_thread
from .forecaster import HORIZON_STEPS

BATCH = 64


@dataclass(frozen=True, slots=True, eq=False)
class FittedNetwork:
    """A network of the third paper's after its training, in evaluation mode; a `FittedForecaster`.

    Its input is (history - `mean_db`) / `scale_db`, float32 [F] each; `outputs` are the columns of F that it
    forecasts, and its output goes back by their mean and scale. What an origin gives does not depend on
    which others are asked for with it: batches are of one size, the last one padded.
    """

    name: str
    network: nn.Module
    mean_db: Float32
    scale_db: Float32
    outputs: slice
    needs_rows: int = HISTORY_STEPS

    def forecasts(self, values: Float32, origins: Int64) -> Float32:
        """Shape: values [n, F], origins [m] -> float32 [m, 12, outputs]; see `FittedForecaster`."""
        mean_db, scale_db = self.mean_db[self.outputs], self.scale_db[self.outputs]
        made = np.empty((len(origins), HORIZON_STEPS, mean_db.size), np.float32)
        with one_thread(), torch.inference_mode():
            for first in range(0, len(origins), BATCH):
                some = origins[first : first + BATCH]
                rows = some[:, np.newaxis] + np.arange(-HISTORY_STEPS, 0)  # [b, 24]
                histories = np.zeros((BATCH, HISTORY_STEPS, self.mean_db.size), np.float32)
                histories[: len(some)] = (values[rows] - self.mean_db) / self.scale_db
                scaled = self.network(torch.from_numpy(histories)).numpy()
                made[first : first + BATCH] = scaled[: len(some)] * scale_db + mean_db
        return made
