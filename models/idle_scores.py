"""How good probabilities are: Brier score and reliability."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..pipeline.frames import Float32

BINS = 10


@dataclass(frozen=True, slots=True)
class Reliability:
    """What was said and what came, in tenths of probability: `said` and `came` are means, NaN where
    `count` is 0; float64 [10] each."""

    said: NDArray[np.float64]
    came: NDArray[np.float64]
    count: NDArray[np.int64]


def brier_score(probability: Float32, came: NDArray[np.bool_]) -> float:
    """Mean squared distance of probabilities from what came (1 or 0), of any shape; NaN counts nowhere.

    0 is perfect; always saying 0.5 gives 0.25. NaN where nothing is known. Source: Brier (1950).
    """
    known = np.isfinite(probability)
    if not known.any():
        return float("nan")
    return float(np.square(probability[known].astype(np.float64) - came[known]).mean())


def reliability(probability: Float32, came: NDArray[np.bool_]) -> Reliability:
    """How often it came where so much was said. Source: Murphy and Winkler (1977)."""
    known = np.isfinite(probability)
    said = probability[known].astype(np.float64)
    tenth = np.minimum((said * BINS).astype(np.int64), BINS - 1)
    count = np.bincount(tenth, minlength=BINS)
    sums = np.bincount(tenth, said, BINS), np.bincount(tenth, came[known], BINS)
    means = [np.divide(each, count, out=np.full(BINS, np.nan), where=count > 0) for each in sums]
    return Reliability(means[0], means[1], count)
