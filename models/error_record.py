"""How well a forecaster did lately, beside the forecast that nothing changes."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..pipeline.frames import read_only

Squares = NDArray[np.float64]
"""A row a step, oldest first, float64 [steps, 3]: own and repeat-last's squared errors, summed over so many
forecasts; zeros of a step that was not scored."""


@dataclass(frozen=True, slots=True)
class Proof:
    """Of one step: mean squares of own and of repeat-last's errors, summed over so many forecasts."""

    own: float
    baseline: float
    forecasts: int


class ErrorRecord:
    """A candidate's squared errors over the last steps, beside repeat-last's on the same forecasts."""

    def __init__(self, recent: int) -> None:
        self._recent = recent
        self._squares: deque[tuple[float, float, float]] = deque(maxlen=recent)

    def add(self, proof: Proof) -> None:
        """What one step proved."""
        self._squares.append((proof.own, proof.baseline, proof.forecasts))

    def pass_over(self, steps: int = 1) -> None:
        """So many steps came for which others were scored, and this one was not."""
        self._squares.extend([(0.0, 0.0, 0.0)] * min(steps, self._recent))

    @property
    def squares(self) -> Squares:
        return read_only(np.array(self._squares, np.float64).reshape(-1, 3))

    def extend(self, squares: Squares) -> None:
        """Take what `squares` of another gave."""
        self._squares.extend((own, baseline, forecasts) for own, baseline, forecasts in squares.tolist())


def on_same_steps(records: Sequence[ErrorRecord]) -> list[Squares]:
    """What each has of the steps for which all of them were scored; records end with the same step."""
    found = [record.squares for record in records]
    steps = min(len(squares) for squares in found)
    newest = [squares[len(squares) - steps :] for squares in found]
    scored = np.all([squares[:, 2] > 0 for squares in newest], axis=0)
    return [squares[scored] for squares in newest]


def share(squares: Squares) -> float:
    """Own squared error as a share of repeat-last's; 1 where neither erred."""
    # Summed anew each time: a running sum would never lose an infinity.
    own, baseline, _ = squares.sum(axis=0)
    if baseline == 0:
        return 1.0 if own == 0 else math.inf
    return float(own / baseline)


def rmse_db(squares: Squares) -> tuple[float, float]:
    """Own and repeat-last's; NaN where nothing was scored."""
    own, baseline, forecasts = squares.sum(axis=0).tolist()
    if not forecasts:
        return math.nan, math.nan
    return math.sqrt(own / forecasts), math.sqrt(baseline / forecasts)
