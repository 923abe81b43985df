"""Whose energy a window of a simulated band holds: the exact truth, emission by emission."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..pipeline.errors import BadInput
from ..pipeline.frames import NS_PER_S, Float32, Window
from ..pipeline.patches import Emission, Raster, paint
from .window_truth import QUIET

FAINTEST_DEFLECTION = 10.0


@dataclass(frozen=True, slots=True)
class WindowEnergy:
    """What a window holds of a kind or of an emission.

    `energy` is its power above the floor, summed over the window's pixels, in units of the floor's power in
    one pixel. `deflection` is how many standard deviations of the noise it moves the detector that knows its
    shape: sqrt(K sum p^2), p its power in a pixel over the floor's and K the averaged spectra (Kay,
    Fundamentals of Statistical Signal Processing II, 4.3).
    """

    energy: float
    deflection: float


@dataclass(frozen=True, slots=True)
class EnergyTruth:
    """What a window shows: every kind and every emission that has power in it, most energy first.

    A kind shows where its deflection is at least 10; `main_kind` is the one of those with most energy, or
    `quiet`.
    """

    by_kind: dict[str, WindowEnergy]
    by_emission: tuple[tuple[Emission, WindowEnergy], ...]

    @property
    def kinds(self) -> frozenset[str]:
        return frozenset(kind for kind, found in self.by_kind.items() if _shows(found))

    @property
    def main_kind(self) -> str:
        return next((kind for kind, found in self.by_kind.items() if _shows(found)), QUIET)


def energy_truth(window: Window, emissions: Sequence[Emission], averaged_spectra: float) -> EnergyTruth:
    """The energies in a window, of a simulator's emissions in the order of their starts.

    `averaged_spectra` is the scene's. Each emission's patches are painted as the simulator paints them, on
    the window's own pixels; without the receiver's filter, which takes from the floor what it takes from all.
    Raises BadInput for an emission that has no patches: one that was read from a file.
    """
    rows, bins = window.values.shape
    row_ns = (window.end_ns - window.start_ns) / rows
    raster = Raster(window.center_hz - (bins - 1) / 2 * window.bin_hz, window.bin_hz, row_ns / NS_PER_S)
    whole: dict[str, Float32] = {}
    each: list[tuple[Emission, WindowEnergy]] = []
    begun = bisect_left(emissions, window.end_ns, key=lambda emission: emission.start_ns)
    for emission in emissions[:begun]:
        if emission.end_ns <= window.start_ns:
            continue
        if not emission.patches:
            raise BadInput(
                f"emission {emission.kind} at {emission.start_ns}: has no patches to find energy in"
            )
        # Patches count their seconds from the band's first row.
        first_s = min(patch.start_seconds for patch in emission.patches)
        band_start_ns = emission.start_ns - round(first_s * NS_PER_S)
        first_row = round((window.start_ns - band_start_ns) / row_ns)
        power = np.zeros((rows, bins), np.float32)
        for patch in emission.patches:
            paint(power, patch, raster, first_row)
        if power.any():
            each.append((emission, _energy(power, averaged_spectra)))
            whole[emission.kind] = whole[emission.kind] + power if emission.kind in whole else power
    kinds = {kind: _energy(power, averaged_spectra) for kind, power in whole.items()}
    by_kind = dict(sorted(kinds.items(), key=lambda item: -item[1].energy))
    return EnergyTruth(by_kind, tuple(sorted(each, key=lambda item: -item[1].energy)))


def _energy(power: Float32, averaged_spectra: float) -> WindowEnergy:
    squares = float(np.square(power, dtype=np.float64).sum())
    return WindowEnergy(float(power.sum(dtype=np.float64)), math.sqrt(averaged_spectra * squares))


def _shows(found: WindowEnergy) -> bool:
    return found.deflection >= FAINTEST_DEFLECTION
