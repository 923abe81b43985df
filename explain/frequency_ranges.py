"""Columns as people name them: ranges of neighbouring frequencies, the most important one first."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..pipeline.frames import Int64
from .amounts import frequencies


def ranges_of(columns: Int64) -> list[tuple[int, int]]:
    """First and last column of each run of neighbours; that of the first named column comes first."""
    order = {int(column): place for place, column in enumerate(columns)}
    runs: list[list[int]] = []
    for column in sorted(order):
        if runs and column == runs[-1][-1] + 1:
            runs[-1].append(column)
        else:
            runs.append([column])
    runs.sort(key=lambda run: min(order[column] for column in run))
    return [(run[0], run[-1]) for run in runs]


def range_said(first: int, last: int, frequencies_hz: NDArray[np.float64]) -> str:
    """`566-570 MHz`, as finely as the columns stand."""
    hz = frequencies_hz
    width_hz = float(np.median(np.diff(hz))) if len(hz) > 1 else 1e-4 * float(hz[0])
    return frequencies(hz[first], hz[last], abs(width_hz))


def listed(parts: list[str]) -> str:
    """`a, b and c`."""
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
