"""Bins nobody wants to hear of: the receiver's DC spike, and ranges the owner knows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from .errors import BadInput
from .frames import Gap, PsdFrame, read_only
from .state import State


class Mask:
    """Stage PsdFrame -> PsdFrame: masked bins become the line between their unmasked neighbours.

    `ranges_hz` are (low, high) in Hz, ends included by bin centre; `dc_bins` is how many bins around the
    tuned frequency (bin `bins // 2`) are the receiver's own. Downstream nothing needs to know: a masked
    bin neither looks like a signal nor like a hole. `BadInput` when a mask would leave no bin.
    """

    def __init__(self, ranges_hz: Sequence[tuple[float, float]] = (), dc_bins: int = 0) -> None:
        self._ranges_hz = tuple(ranges_hz)
        self._dc_bins = dc_bins
        self.reset()

    def reset(self) -> None:
        self._axis: tuple[float, float, int] | None = None
        self._masked = np.zeros(0, dtype=np.intp)
        self._kept = np.zeros(0, dtype=np.intp)

    def state(self) -> State:
        """Nothing: the bins are found anew from the next frame."""
        return {}

    def restore(self, state: State) -> None:
        del state

    def gap(self, gap: Gap) -> list[PsdFrame]:  # noqa: ARG002 - the mask follows the axis of each frame
        return []

    def push(self, item: PsdFrame) -> list[PsdFrame]:
        if not self._ranges_hz and not self._dc_bins:
            return [item]
        axis = (item.center_hz, item.bin_hz, item.bins)
        if axis != self._axis:
            self._find_bins(item)
            self._axis = axis
        if not self._masked.size:
            return [item]
        power_db = item.power_db.copy()
        power_db[self._masked] = np.interp(self._masked, self._kept, item.power_db[self._kept])
        return [replace(item, power_db=read_only(power_db))]

    def _find_bins(self, frame: PsdFrame) -> None:
        bins_hz = frame.first_hz + np.arange(frame.bins) * frame.bin_hz
        masked = np.zeros(frame.bins, dtype=bool)
        for low_hz, high_hz in self._ranges_hz:
            masked |= (bins_hz >= low_hz) & (bins_hz <= high_hz)
        if self._dc_bins:
            first = max(0, frame.bins // 2 - (self._dc_bins - 1) // 2)
            masked[first : first + self._dc_bins] = True
        if masked.all():
            raise BadInput(
                f"{frame.node}/{frame.band}: the mask covers all {frame.bins} bins "
                f"({bins_hz[0] / 1e6:g}..{bins_hz[-1] / 1e6:g} MHz); leave at least one"
            )
        self._masked = np.flatnonzero(masked)
        self._kept = np.flatnonzero(~masked)
