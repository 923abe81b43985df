"""How much each expert counts in the default forecaster: by what rolling origin says of it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.optimize import nnls

from ...pipeline.frames import Float32
from ..ridge_solving import Float64
from .forecaster import HORIZON_STEPS

NEIGHBOUR_SHARE = 0.5  # how much the trial of a horizon tells of the next one
BASELINES = ("mean-24", "nlinear", "seasonal")
PRIOR = {"mean-24": 0.1, "even": 0.1, "columns": 0.2, "band": 0.25, "curves": 0.35}
MARGIN = 1.03  # a baseline has to be so much better than the mix to be given out alone
PRIOR_STRENGTH = 1.0  # of the experts' mean square in the trials


class MixTrial:
    """Gathers, fold by fold, what experts said [m, C, 12] each and what came; then `mix` weighs them.

    Each fold counts alike: its squares are taken as shares of repeat-last's.
    """

    def __init__(self, names: list[str]) -> None:
        self._names, experts = names, len(names)
        self._gram = np.zeros((HORIZON_STEPS, experts, experts))
        self._moment = np.zeros((HORIZON_STEPS, experts))
        self._square = np.zeros(HORIZON_STEPS)

    @classmethod
    def of(cls, trials: Sequence[MixTrial]) -> MixTrial:
        """Several together; at least one."""
        together = cls(trials[0]._names)
        for trial in trials:
            together._gram += trial._gram
            together._moment += trial._moment
            together._square += trial._square
        return together

    def add(self, said: list[Float32], came: Float32) -> None:
        """The trial of one fold."""
        stacked = np.stack([part.transpose(2, 0, 1).reshape(HORIZON_STEPS, -1) for part in said], axis=1)
        truth = came.transpose(2, 0, 1).reshape(HORIZON_STEPS, -1)  # [12, m C]; stacked [12, k, m C]
        share = 1 / (float(np.square(truth, dtype=np.float64).mean()) + 1e-12) / truth.shape[1]
        self._gram += (stacked @ stacked.transpose(0, 2, 1)) * share
        self._moment += (stacked @ truth[:, :, np.newaxis])[:, :, 0] * share
        self._square += np.square(truth).sum(axis=1) * share

    def mix(self) -> Float64:
        """Weights [12, k], none negative, of a horizon at most 1 together; what is missing is repeat-last's.

        Least squares of the trials, those of neighbouring horizons counting, too, drawn towards `PRIOR`:
        trials are few, and what did best in one level of a band need not in the next. But where a baseline
        alone did clearly better than that mix (`MARGIN`), it gets all the weight. Repeat-last does wherever
        the mix is no better.
        """
        steps = np.arange(HORIZON_STEPS)
        near = NEIGHBOUR_SHARE ** np.abs(steps[:, np.newaxis] - steps)
        prior = np.array([PRIOR.get(name, 0.0) for name in self._names])
        mix = np.empty((HORIZON_STEPS, len(prior)))
        gram, moment = np.tensordot(near, self._gram, 1), near @ self._moment
        for h in range(HORIZON_STEPS):
            strength = PRIOR_STRENGTH * np.trace(gram[h]) / len(prior)
            mix[h] = on_simplex(gram[h] + strength * np.eye(len(prior)), moment[h] + strength * prior)
        alone, mixed = self.shares(mix)
        best = min([1.0, *(alone[self._names.index(name)] for name in BASELINES if name in self._names)])
        if mixed < min(1.0, MARGIN * best):
            return mix
        only = np.zeros_like(mix)
        if best < 1.0:
            only[:, int(np.flatnonzero(alone == best)[0])] = 1
        return only

    def shares(self, mix: Float64) -> tuple[Float64, float]:
        """RMSE of each expert alone and of the mix, as shares of repeat-last's, over all horizons."""
        alone = self._square.sum() - 2 * self._moment.sum(axis=0) + np.diagonal(self._gram.sum(axis=0))
        mixed = (
            self._square.sum()
            - 2 * (self._moment * mix).sum()
            + np.einsum("hi,hij,hj->", mix, self._gram, mix)
        )
        whole = self._square.sum() or 1.0
        return np.sqrt(np.maximum(alone, 0) / whole), float(np.sqrt(max(mixed, 0.0) / whole))


def on_simplex(gram: Float64, moment: Float64) -> Float64:
    """argmin w'Gw - 2 m'w over w >= 0 with sum <= 1. Shape: [k, k], [k] -> [k]."""
    k = len(moment)
    scale = float(np.trace(gram)) / k or 1.0
    values, vectors = np.linalg.eigh(gram / scale + 1e-6 * np.eye(k))
    values = np.maximum(values, 1e-9)
    root = np.sqrt(values)[:, np.newaxis] * vectors.T  # root' root = gram
    right = vectors.T @ (moment / scale) / np.sqrt(values)
    # A last expert that says "no change" takes the rest: together they are 1, held by a heavy row.
    heavy = 1e3
    matrix = np.zeros((k + 1, k + 1))
    matrix[:k, :k] = root
    matrix[k] = heavy
    weights, _ = nnls(matrix, np.append(right, heavy))
    return weights[:k] / max(1.0, weights[:k].sum())
