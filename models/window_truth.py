"""What a window of a simulated band shows, by the simulator's truth: the measure of a clustering."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import compress

import numpy as np

from ..pipeline.frames import Window
from ..pipeline.patches import Emission

QUIET = "quiet"
FAINTEST_DB_PIXELS = 30.0


def kind_of(window: Window, emissions: Sequence[Emission]) -> str:
    """The kind that fills most of a window, its level above the floor summed over the pixels it covers
    (dB x pixels), or `quiet` where none comes to 30: a burst of 10 dB over 3 pixels.

    Emissions of one kind add up. An emission narrower than a bin fills one.
    """
    row_ns = (window.end_ns - window.start_ns) / window.values.shape[0]
    half_hz = (window.values.shape[1] / 2) * window.bin_hz
    filled: dict[str, float] = {}
    for emission in emissions:
        rows = (min(emission.end_ns, window.end_ns) - max(emission.start_ns, window.start_ns)) / row_ns
        bins = (
            min(emission.high_hz, window.center_hz + half_hz)
            - max(emission.low_hz, window.center_hz - half_hz)
        ) / window.bin_hz
        if rows <= 0 or bins <= 0:
            continue
        filled[emission.kind] = filled.get(emission.kind, 0.0) + rows * max(bins, 1.0) * emission.power_db
    if not filled or max(filled.values()) < FAINTEST_DB_PIXELS:
        return QUIET
    return max(filled, key=lambda kind: filled[kind])


def kinds_of(windows: Sequence[Window], emissions: Sequence[Emission]) -> list[str]:
    """The kind of each of many windows."""
    starts = np.array([emission.start_ns for emission in emissions], dtype=np.int64)
    ends = np.array([emission.end_ns for emission in emissions], dtype=np.int64)
    kinds = []
    for window in windows:
        near = (starts < window.end_ns) & (ends > window.start_ns)
        kinds.append(kind_of(window, list(compress(emissions, near))))
    return kinds
