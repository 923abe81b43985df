"""Ridge regression: normal equations that grow, the dual form, and strengths chosen by rolling origin."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve

Float64 = NDArray[np.float64]


@dataclass(slots=True)
class NormalEquations:
    """X'X [d, d] and X'Y [d, k] of `samples` rows, float64."""

    gram: Float64
    moment: Float64
    samples: float = 0.0

    @classmethod
    def empty(cls, inputs: int, outputs: int) -> NormalEquations:
        return cls(np.zeros((inputs, inputs)), np.zeros((inputs, outputs)))

    def add(self, x: NDArray[np.floating], y: NDArray[np.floating]) -> None:
        """Take in rows x [n, d], y [n, k]; float32 is multiplied as such, a chunk of rows at a time."""
        for start in range(0, len(x), 8192):
            part = x[start : start + 8192]
            self.gram += part.T @ part
            self.moment += part.T @ y[start : start + 8192]
        self.samples += len(x)

    def copy(self) -> NormalEquations:
        return NormalEquations(self.gram.copy(), self.moment.copy(), self.samples)

    def solve(self, strength: float) -> Float64:
        """The map [d, k]; the penalty of an input is `strength` times its own square, whatever its scale."""
        diagonal = np.diag(self.gram)
        # The small constant keeps inputs that never moved solvable: their weight is zero.
        penalty = strength * diagonal + 1e-9 * (diagonal.mean() or 1.0)
        return np.linalg.solve(self.gram + np.diag(penalty), self.moment).astype(np.float64, copy=False)


def ridge_maps(x: Float64, y: Float64, strengths: Sequence[float]) -> list[Float64]:
    """Least squares of y [n, k] on x [n, d], penalised by `strength` times n: a map [d, k] for each.

    Solved in the smaller of n and d unknowns.
    """
    dual = len(x) < x.shape[1]
    product = x @ x.T if dual else x.T @ x
    right = y if dual else x.T @ y
    maps = []
    for strength in strengths:
        penalised = product.copy()
        penalised[np.diag_indices_from(penalised)] += strength * len(x) + 1e-9
        solution = cho_solve(cho_factor(penalised, lower=True, overwrite_a=True), right)
        maps.append(x.T @ solution if dual else solution)
    return maps
