"""How far two measures of importance agree on the order of frequencies."""

from __future__ import annotations

import numpy as np
from scipy.stats import rankdata

from ..pipeline.frames import Float32


def rank_correlation(one: Float32, other: Float32) -> float:
    """Spearman's, equal values sharing their ranks; NaN where either says the same of all."""
    first, second = (rankdata(each) - (len(each) + 1) / 2 for each in (one, other))
    size = float(np.sqrt((first**2).sum() * (second**2).sum()))
    return float((first * second).sum() / size) if size > 0 else float("nan")
