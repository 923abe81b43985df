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
        self._squares: deque[tuple[float, float]] = deque(maxlen=recent)

    @property
    def steps(self) -> int:
        return len(self._squares)

    @property
    def share(self) -> float:
        """Own squared error as a share of repeat-last's; 1 where neither erred."""
        # Summed anew each time: a running sum would never lose an infinity.
        own, baseline = np.sum(self._squares, axis=0)
        if baseline == 0:
            return 1.0 if own == 0 else math.inf
        return float(own / baseline)

    def add(self, own: float, baseline: float) -> None:
        self._squares.append((own, baseline))

    @property
    def squares(self) -> NDArray[np.float64]:
        """Own and repeat-last's squared errors, oldest first, float64 [steps, 2]."""
        return read_only(np.array(self._squares, np.float64).reshape(-1, 2))

    def extend(self, squares: NDArray[np.float64]) -> None:
        """Take what `squares` of another gave."""
        self._squares.extend((own, baseline) for own, baseline in squares.tolist())
