"""What a transmission looks like in a spectrogram: patches of power, and the truth about them."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from .frames import NS_PER_S, Float32

RESOLUTION_BINS = 1.5
"""An analyser with a Hann window shows a pure tone as a hump 6 dB down one bin away from it. A raised
cosine that ends 1.5 bins away has that slope, so every patch is widened by as much on both sides."""

SIDE_LOBES = 3.0
"""A half-sine spectrum is painted to so many half main lobes from its middle: down to -39 dB."""


@dataclass(frozen=True, slots=True)
class Emission:
    """The truth about one transmission.

    All of its power was radiated from `start_ns` to `end_ns` (UTC) and between `low_hz` and `high_hz`; an
    analyser's resolution smears it by 1.5 bins beyond. `power_db` is how far the strongest bin of a row it
    fills stands above the noise floor. A transmission may reach beyond the band's edges. `patches` are what
    it leaves in a spectrogram: they give its energy in any window; empty where nobody knows them.
    """

    kind: str
    start_ns: int
    end_ns: int
    low_hz: float
    high_hz: float
    power_db: float
    patches: tuple[Patch, ...] = field(default=(), compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Patch:
    """Power with raised-cosine edges in frequency and sharp ends in time; seconds count from the first row.

    `width_hz` is the whole occupied width, null to null, of which each edge takes `edge_hz` (width_hz / 2
    makes a hump). The centre may wander as a sine of amplitude `wander_hz` and period `wander_seconds`.
    With `sweep_seconds` the power is a chirp that sweeps the width upwards once in that time.

    `half_sine` chips (minimum-shift keying's spectrum) have no such edges: `width_hz` is then the main lobe,
    1.5 times the chip rate and 99.5 % of the power; side lobes, 23 dB and more below, are painted as well.
    """

    start_seconds: float
    end_seconds: float
    center_hz: float
    width_hz: float
    edge_hz: float
    power_db: float
    wander_hz: float = 0.0
    wander_seconds: float = 1.0
    sweep_seconds: float = 0.0
    half_sine: bool = False


@dataclass(frozen=True, slots=True)
class Transmission:
    """One transmission of an emitter and the patches it leaves; at least one.

    `origin` is what no other transmission of the band has: its chunk, its emitter, its number there.
    """

    kind: str
    patches: tuple[Patch, ...]
    origin: tuple[int, int, int] = (0, 0, 0)

    @property
    def end_seconds(self) -> float:
        return max(patch.end_seconds for patch in self.patches)

    def emission(self, start_ns: int) -> Emission:
        """The truth about it, where the first row began at `start_ns`."""
        patches = self.patches
        return Emission(
            self.kind,
            start_ns + round(min(patch.start_seconds for patch in patches) * NS_PER_S),
            start_ns + round(self.end_seconds * NS_PER_S),
            min(patch.center_hz - patch.wander_hz - patch.width_hz / 2 for patch in patches),
            max(patch.center_hz + patch.wander_hz + patch.width_hz / 2 for patch in patches),
            max(patch.power_db for patch in patches),
            patches,
        )


@dataclass(frozen=True, slots=True)
class Raster:
    """Where the bins and rows of a band lie: the centre of bin 0, and what a bin and a row span."""

    first_hz: float
    bin_hz: float
    row_seconds: float


def paint(power: Float32, patch: Patch, raster: Raster, first_row: int) -> None:
    """Add a patch to linear power [rows, bins] whose row 0 is row `first_row` since the start.

    1.0 is the noise floor. A row that the patch covers in part gets that part of its power.
    """
    rows, bins = power.shape
    first = max(0, int(patch.start_seconds / raster.row_seconds) - first_row)
    last = min(rows, int(np.ceil(patch.end_seconds / raster.row_seconds)) - first_row)
    if first >= last:
        return
    row_start = (first_row + np.arange(first, last)) * raster.row_seconds
    start = np.maximum(row_start, patch.start_seconds)
    end = np.minimum(row_start + raster.row_seconds, patch.end_seconds)
    share = np.maximum(end - start, 0.0) / raster.row_seconds  # [n]

    wander = 2 * np.pi * ((start + end) / 2 - patch.start_seconds) / patch.wander_seconds
    center_hz = patch.center_hz + patch.wander_hz * np.sin(wander)
    smear_hz = RESOLUTION_BINS * raster.bin_hz
    reach_hz = patch.width_hz / 2 * (SIDE_LOBES if patch.half_sine else 1) + smear_hz
    low = max(0, int(np.ceil((center_hz.min() - reach_hz - raster.first_hz) / raster.bin_hz)))
    high = min(bins, int((center_hz.max() + reach_hz - raster.first_hz) // raster.bin_hz) + 1)
    if low >= high:
        return
    bin_center_hz = raster.first_hz + np.arange(low, high) * raster.bin_hz  # [m]
    if not patch.wander_hz:
        center_hz = center_hz[:1]
    offset_hz = bin_center_hz[None, :] - center_hz[:, None]  # [1 or n, m]
    if patch.half_sine:
        shape = half_sine_spectrum(offset_hz / (patch.width_hz / 1.5))
    else:
        flat_hz = patch.width_hz / 2 - patch.edge_hz
        edge = np.clip((np.abs(offset_hz) - flat_hz) / (patch.edge_hz + smear_hz), 0.0, 1.0)
        shape = 0.5 + 0.5 * np.cos(np.pi * edge)
    level = 10 ** (patch.power_db / 10) * shape
    if patch.sweep_seconds:
        # How often the chirp passed each bin within each row: its power there is one sweep's share each time.
        phase = np.clip(offset_hz / patch.width_hz + 0.5, 0.0, 1.0)
        from_sweep = (start - patch.start_seconds)[:, None] / patch.sweep_seconds
        to_sweep = (end - patch.start_seconds)[:, None] / patch.sweep_seconds
        passages = np.ceil(to_sweep - phase) - np.ceil(from_sweep - phase)
        level = level * passages * (patch.sweep_seconds / raster.row_seconds)
    else:
        level = level * share[:, None]
    power[first:last, low:high] += level.astype(np.float32)


def half_sine_spectrum(offset_chips: np.ndarray) -> np.ndarray:
    """Power density of half-sine chips, 1 in the middle; the offset counts in chip rates.

    cos^2(2 pi f) / (1 - 16 f^2)^2, first null at 0.75 (Proakis, Digital Communications, 4-4-2), as the sum of
    two sincs, which has no 0 / 0.
    """
    return (np.pi / 4 * (np.sinc(2 * offset_chips - 0.5) + np.sinc(2 * offset_chips + 0.5))) ** 2
