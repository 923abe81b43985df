"""What a window of a simulated band shows, by the simulator's truth: the measure of a clustering."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

from ..pipeline.frames import Window
from ..pipeline.patches import Emission

QUIET = "quiet"
FAINTEST_DB_PIXELS = 30.0


@dataclass(frozen=True, slots=True)
class Truth:
    """The kinds that show in a window, and the one that fills most of it (`quiet` where none shows)."""

    kinds: frozenset[str]
    main_kind: str


def truth_of(window: Window, emissions: Sequence[Emission]) -> Truth:
    """What a window shows, of emissions in the order of their starts.

    A kind fills a window by its level above the floor summed over the pixels it covers, and shows if that
    comes to 30 dB x pixels: a burst of 10 dB over 3 pixels. Emissions of one kind add up; one narrower than a
    bin fills one.
    """
    row_ns = (window.end_ns - window.start_ns) / window.values.shape[0]
    half_hz = (window.values.shape[1] / 2) * window.bin_hz
    low_hz, high_hz = window.center_hz - half_hz, window.center_hz + half_hz
    filled: dict[str, float] = {}
    begun = bisect_left(emissions, window.end_ns, key=lambda emission: emission.start_ns)
    for emission in emissions[:begun]:
        if emission.end_ns <= window.start_ns:
            continue
        rows = (min(emission.end_ns, window.end_ns) - max(emission.start_ns, window.start_ns)) / row_ns
        bins = (min(emission.high_hz, high_hz) - max(emission.low_hz, low_hz)) / window.bin_hz
        if bins > 0:
            level = rows * max(bins, 1.0) * emission.power_db
            filled[emission.kind] = filled.get(emission.kind, 0.0) + level
    shown = {kind: level for kind, level in filled.items() if level >= FAINTEST_DB_PIXELS}
    main_kind = max(shown, key=lambda kind: shown[kind]) if shown else QUIET
    return Truth(frozenset(shown), main_kind)
