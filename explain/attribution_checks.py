"""Whether attributions can be believed: planted bursts, and networks that forgot what they knew."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from ..models.encoder import Encoder
from ..pipeline.frames import Float32
from ..pipeline.patches import RESOLUTION_BINS, Patch, Raster, paint
from ..pipeline.windows import ABOVE_FLOOR_DB, BELOW_FLOOR_DB, WINDOW_BINS, WINDOW_ROWS

Bools = NDArray[np.bool_]

_PIXELS = Raster(first_hz=0.0, bin_hz=1.0, row_seconds=1.0)


@dataclass(frozen=True, slots=True)
class Burst:
    """A burst in pixels: `rows` long, `bins` wide (0: beyond the window), `level_db` over the floor.

    A chirp goes up its width once in `sweep_rows`; its level is the mean over its width.
    """

    rows: int
    bins: float
    level_db: float
    sweep_rows: float = 0.0


BURSTS = {
    "stripe": Burst(3, 0.0, 10.0),
    "block": Burst(24, 40.0, 10.0),
    "hop": Burst(10, 3.0, 16.0),
    "telemetry": Burst(4, 12.0, 18.0),
    "carrier": Burst(WINDOW_ROWS, 4.0, 9.0),
    "chirp": Burst(12, 80.0, 8.0, 4.0),
}


def plant(quiet: Float32, burst: Burst, row: int, bin_: float) -> tuple[Float32, Bools]:
    """A quiet window with a burst that begins in a row and has its middle at a bin, and the burst's box.

    As the simulator makes rows: scatter multiplies all that is received, so that in dB the burst adds
    10 log10(1 + power). The box holds all of its power, the analyser's 1.5 bins of smear included.

    Shape: [128, 128] -> float32 [128, 128], bool [128, 128].
    """
    width = burst.bins or 4.0 * WINDOW_BINS
    edge = min(width / 2, 1.0)
    patch = Patch(row, row + burst.rows, bin_, width, edge, burst.level_db, sweep_seconds=burst.sweep_rows)
    power = np.zeros((WINDOW_ROWS, WINDOW_BINS), np.float32)
    paint(power, patch, _PIXELS, 0)
    span_db = BELOW_FLOOR_DB + ABOVE_FLOOR_DB
    planted = np.clip(quiet + 10 * np.log10(1 + power) / span_db, 0.0, 1.0).astype(np.float32)
    box = np.zeros(power.shape, np.bool_)
    low, high = bin_ - width / 2 - RESOLUTION_BINS, bin_ + width / 2 + RESOLUTION_BINS
    box[row : row + burst.rows, max(0, int(np.ceil(low))) : int(min(WINDOW_BINS, np.floor(high) + 1))] = True
    return planted, box


def positive_share_inside(maps: Float32, boxes: Bools) -> Float32:
    """The share of each map's positive attribution that is in its box; NaN for a map with none.

    Shape: [n, 128, 128] twice -> float32 [n].
    """
    positive = np.maximum(maps, 0).astype(np.float64)
    with np.errstate(invalid="ignore"):
        return ((positive * boxes).sum(axis=(1, 2)) / positive.sum(axis=(1, 2))).astype(np.float32)


def cascade(encoder: Encoder, seed: int) -> Iterator[tuple[str, Encoder]]:
    """Copies of an encoder whose layers forget what they learnt one after another, the last first.

    Adebayo et al., "Sanity checks for saliency maps", NeurIPS 2018: the weights of a layer and of all behind
    it are as if never trained. Gives the layer's name and the copy; the global generator is left as it was.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        untrained = Encoder(encoder.config).state_dict()
    forgetful = deepcopy(encoder)
    state = forgetful.state_dict()  # its tensors are the copy's own
    layers = [f"blocks.{number}" for number in reversed(range(len(encoder.blocks)))] + ["stem"]
    for layer in layers:
        for name, values in state.items():
            if name.startswith(f"{layer}."):
                values.copy_(untrained[name])
        yield layer, deepcopy(forgetful)
