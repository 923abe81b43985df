"""The forecast every other one has to beat: nothing changes."""

from __future__ import annotations

import numpy as np

from ...pipeline.frames import Float32, History, Step
from ...pipeline.state import State
from .forecaster import HORIZON_STEPS


class RepeatLast:
    """Repeats the last step of the history twelve times. Always ready; learns nothing."""

    name = "repeat-last"

    def observe(self, step: Step) -> None:
        """Nothing to learn."""

    def forecast(self, history: History) -> Float32:
        """Shape: history [24, F] -> [12, F]."""
        return np.repeat(history.values[-1:], HORIZON_STEPS, axis=0).astype(np.float32, copy=False)

    def gap(self) -> None:
        """Nothing to restart."""

    def reset(self) -> None:
        """Nothing to forget."""

    def state(self) -> State:
        """Nothing to keep."""
        return {}

    def restore(self, state: State) -> None:
        """Nothing to take."""
