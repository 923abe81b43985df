"""How well a forecaster did lately, beside the forecast that nothing changes."""

from __future__ import annotations

import math
from collections import deque

import numpy as np
from numpy.typing import NDArray

from ..pipeline.frames import read_only


class ErrorRecord:
    """A candidate's squared errors over the last scored steps, beside repeat-last's on the same forecasts."""

    def __init__(self, recent: int) -> None:
        self._squares: deque[tuple[float, float, float]] = deque(maxlen=recent)

    @property
    def steps(self) -> int:
        return len(self._squares)

    def share(self, steps: int) -> float:
        """Own squared error as a share of repeat-last's, over the last so many steps (at least one); 1 where
        neither erred."""
        # Summed anew each time: a running sum would never lose an infinity.
        own, baseline, _ = self.squares[-steps:].sum(axis=0)
        if baseline == 0:
            return 1.0 if own == 0 else math.inf
        return float(own / baseline)

    def rmse_db(self, steps: int) -> tuple[float, float]:
        """Own and repeat-last's, over the last so many steps (at least one)."""
        own, baseline, forecasts = self.squares[-steps:].sum(axis=0)
        return math.sqrt(own / forecasts), math.sqrt(baseline / forecasts)

    def add(self, own: float, baseline: float, forecasts: int) -> None:
        """The mean squares, summed over so many forecasts, that one step proved."""
        self._squares.append((own, baseline, forecasts))

    @property
    def squares(self) -> NDArray[np.float64]:
        """Own and repeat-last's squared errors, of how many forecasts; oldest first, float64 [steps, 3]."""
        return read_only(np.array(self._squares, np.float64).reshape(-1, 3))

    def extend(self, squares: NDArray[np.float64]) -> None:
        """Take what `squares` of another gave."""
        self._squares.extend((own, baseline, forecasts) for own, baseline, forecasts in squares.tolist())
