"""Which forecaster a band's forecasts are by, and what a process elsewhere needs to forecast as it does."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..models.forecast_problem import FittedForecaster
from ..models.forecasters.fitted_nlinear import FittedNLinear
from ..models.forecasters.fitted_repeat_last import FittedRepeatLast
from ..models.forecasters.forecaster import HORIZON_STEPS
from ..pipeline.errors import BadInput
from ..pipeline.histories import HISTORY_STEPS

REPEAT_LAST, NLINEAR, DEFAULT, NETWORK = "repeat-last", "nlinear", "default", "cnn-lstm"


@dataclass(frozen=True, slots=True)
class ForecasterInUse:
    """`model` by name; the `fit` of the default, its key; the `weights` [24][12] of NLinear's map; the
    bundle that has the network."""

    model: str
    fit: str | None = None
    weights: list[list[float]] | None = None
    bundle: str | None = None
    bundle_hash: str | None = None

    def columns_apart(self, frequencies: int) -> FittedForecaster:
        """One that forecasts each frequency from its own past; BadInput where this one is none."""
        outputs = slice(0, frequencies)
        if self.model == REPEAT_LAST:
            return FittedRepeatLast(outputs)
        weights = np.asarray(self.weights if self.model == NLINEAR else [], np.float64)
        if weights.shape != (HISTORY_STEPS, HORIZON_STEPS):
            shape = "x".join(map(str, weights.shape))
            raise BadInput(f"forecaster {self.model!r:.40}: a map of {shape}, needs 24x12")
        return FittedNLinear(outputs, weights)
