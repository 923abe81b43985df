"""A forecast over a whole band, step by step."""

from __future__ import annotations

import math

import numpy as np

from ..pipeline.frames import Float32


def step_means(values: Float32) -> list[float]:
    """Mean over frequencies of each step's finite values, [12, f] -> 12; NaN where a step has none."""
    finite = np.isfinite(values)
    counts = finite.sum(axis=1)
    sums = np.where(finite, values, 0).sum(axis=1, dtype=np.float64)
    return [
        float(total) / int(count) if count else math.nan for total, count in zip(sums, counts, strict=True)
    ]
