"""Rolling origin: what is learned from earlier rows is tried on later ones, several times over."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from ..pipeline.frames import Int64
from .forecasters.forecaster import HORIZON_STEPS

FOLDS = 4


@dataclass(frozen=True, slots=True, eq=False)
class Fold:
    """Positions (not rows) of the origins that are learned from and of those that are tried, int64."""

    training: Int64
    trial: Int64


def rolling_folds(origins: Int64) -> list[Fold]:
    """Four trials, each an eighth of the origins, learned from all that lies before: the last half is tried.

    The targets of a fold's training end before its first trial origin.
    """
    cuts = [round(len(origins) * (0.5 + 0.5 * fold / FOLDS)) for fold in range(FOLDS + 1)]
    folds = []
    for start, end in itertools.pairwise(cuts):
        training = np.flatnonzero(origins + HORIZON_STEPS <= origins[min(start, len(origins) - 1)])
        trial = np.arange(start, end)
        if len(training) and len(trial):
            folds.append(Fold(training, trial))
    return folds
