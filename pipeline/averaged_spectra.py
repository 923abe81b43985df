"""The scatter of an averaged power spectrum around its mean."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from .frames import Float32


@dataclass(frozen=True, slots=True)
class AveragedSpectra:
    """What the mean power is multiplied by when `count` independent spectra are averaged; its mean is 1.

    With no correlation each bin is a chi-square of 2 `count` degrees of freedom over that number: in dB, mean
    10 / ln 10 * (digamma(count) - ln count) and standard deviation 10 / ln 10 * sqrt(trigamma(count)). With
    `bin_correlation` (at most 0.7) between neighbours' power, it is a running mean (r, 1, r) of finer
    scatter with the same mean and variance of the power.
    """

    count: float
    bin_correlation: float = 0.0

    def draw(self, shape: tuple[int, int], random: np.random.Generator) -> Float32:
        """Factors, float32 [rows, bins]."""
        rows, bins = shape
        if not self.bin_correlation:
            scatter = random.standard_gamma(self.count, shape, dtype=np.float32)
            scatter *= np.float32(1 / self.count)
            return scatter
        # The correlation of such a running mean is c = 2 r / (1 + 2 r^2).
        c = self.bin_correlation
        side = (1 - math.sqrt(1 - 2 * c * c)) / (2 * c)
        whole = 1 + 2 * side
        fine_count = self.count * (1 + 2 * side * side) / whole**2
        fine = random.standard_gamma(fine_count, (rows, bins + 2), dtype=np.float32)
        scatter = fine[:, :-2] + fine[:, 2:]
        scatter *= np.float32(side)
        scatter += fine[:, 1:-1]
        scatter *= np.float32(1 / (whole * fine_count))
        return scatter
