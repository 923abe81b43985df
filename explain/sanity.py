"""Whether a measure of importance can be believed: all checks of it beside each other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .amounts import correlation

PLANTED_SEEDS = 20
PLANTED_FIRST = {"Grad-CAM": 20, "SHAP": 20, "permutation": 20, "occlusion": 20}
"""On how many of 20 networks whose answer is known a measure puts the planted frequency first; measured by
`benchmarks/planted_frequency.py`."""

TITLES = (
    "measure",
    "rank correlation with permutation",
    "with occlusion",
    "with itself, weights shuffled",
    "planted frequency first",
)


@dataclass(frozen=True, slots=True)
class SanityChecks:
    """Of one measure: rank correlations over all frequencies, NaN where not defined, and how often it found
    what was planted (`found` of `planted` networks)."""

    permutation: float
    occlusion: float
    shuffled: float
    found: int
    planted: int = PLANTED_SEEDS

    def cells(self) -> tuple[str, ...]:
        """As `TITLES` has them, without the measure."""
        correlations = (self.permutation, self.occlusion, self.shuffled)
        return (*map(correlation, correlations), f"{self.found} of {self.planted}")


def sanity_rows(checks: Mapping[str, SanityChecks]) -> dict[str, tuple[str, ...]]:
    """By measure, under `TITLES`."""
    return {name: each.cells() for name, each in checks.items()}
