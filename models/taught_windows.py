"""Simulated windows and what they truly show: an encoder's lessons, for which nobody labelled anything."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import islice, repeat
from multiprocessing import get_context

import numpy as np
from numpy.typing import NDArray

from ..pipeline.errors import BadInput
from ..pipeline.frames import Float32, Int64, read_only
from ..pipeline.named_scenes import scene_named
from ..pipeline.simulator import Simulator
from ..pipeline.windows import WINDOW_BINS, WINDOW_ROWS
from .representations import comparable
from .training_windows import TRAINING_STRIDE_ROWS, WINDOW_GIB, cut_windows
from .window_energy import energy_truth
from .window_features import FEATURES, window_features

Float16 = NDArray[np.float16]
Band = tuple[str, int]
"""The name and the seed of a scene."""

SEEDS_APART = 10_000
HELD_OUT_SEEDS = 500_000
"""Bands of this seed and above are for judging: none teaches."""


@dataclass(frozen=True, slots=True, eq=False)
class TaughtWindows:
    """Windows float16 [n, 128, 128], and of each the energy of every kind that shows in it, float32
    [n, kinds], 0 where it does not, and its hand-made features made comparable, float32 [n, 35]."""

    windows: Float16
    kinds: tuple[str, ...]
    energies: Float32
    measures: Float32

    def __len__(self) -> int:
        return len(self.windows)

    def main_kinds(self) -> Int64:
        """1 + the kind with most energy, 0 where none shows; int64 [n]."""
        return np.where(self.energies.any(axis=1), 1 + self.energies.argmax(axis=1), 0)


def taught_bands(seed: int, varied: int, broad: int) -> list[Band]:
    """Bands drawn at random, first the `varied` ones, then the `broad` ones; each seed has others.

    Raises BadInput where held-out seeds would be among them.
    """
    if not 0 <= seed < HELD_OUT_SEEDS // SEEDS_APART or max(varied, broad) >= SEEDS_APART:
        raise BadInput(
            f"bands to be taught by: seed {seed}, {varied} varied and {broad} broad bands; limits: a seed "
            f"below {HELD_OUT_SEEDS // SEEDS_APART}, fewer than {SEEDS_APART} bands of either"
        )
    scenes = {"varied": varied, "broad": broad}
    return [(name, SEEDS_APART * seed + 1 + number) for name in scenes for number in range(scenes[name])]


def taught_windows(
    bands: Sequence[Band], each: int, *, processes: int = 1, on_band: Callable[[], None] = lambda: None
) -> TaughtWindows:
    """The first `each` windows, 128 rows apart, of each of the simulated bands, in their order.

    Kinds are those that show in any window, by name. Memory: 32 KiB a window. Raises BadInput where they do
    not fit, and where there is no band.
    """
    count = len(bands) * each
    if not count:
        raise BadInput(f"{len(bands)} bands of {each} windows to be taught by, needs at least 1 of each")
    try:
        windows = np.empty((count, WINDOW_ROWS, WINDOW_BINS), dtype=np.float16)
    except (MemoryError, ValueError):
        raise BadInput(f"{count} training windows need {count * WINDOW_GIB:.0f} GiB of memory") from None
    measures = np.empty((count, len(FEATURES)), dtype=np.float32)
    shown: list[dict[str, float]] = []
    # Fresh processes: forked ones would inherit the threads of libraries that are loaded already.
    pool = ProcessPoolExecutor(processes, get_context("spawn")) if processes > 1 else nullcontext()
    with pool as workers:
        one_by_one = map if workers is None else workers.map
        for found, energies, measured in one_by_one(_of_band, bands, repeat(each)):
            windows[len(shown) : len(shown) + len(found)] = found
            measures[len(shown) : len(shown) + len(found)] = measured
            shown += energies
            on_band()
    kinds = tuple(sorted({kind for energies in shown for kind in energies}))
    energies = np.array([[own.get(kind, 0.0) for kind in kinds] for own in shown], dtype=np.float32)
    return TaughtWindows(
        windows, kinds, read_only(energies.reshape(count, len(kinds))), read_only(comparable(measures))
    )


def _of_band(band: Band, count: int) -> tuple[Float16, list[dict[str, float]], Float32]:
    name, seed = band
    simulator = Simulator(seed, scene=scene_named(name, seed))
    windows = np.empty((count, WINDOW_ROWS, WINDOW_BINS), dtype=np.float16)
    shown: list[dict[str, float]] = []
    for place, window in enumerate(islice(cut_windows(simulator.frames(), TRAINING_STRIDE_ROWS), count)):
        truth = energy_truth(window, simulator.truth, simulator.scene.averaged_spectra)
        windows[place] = window.values
        shown.append({kind: found.energy for kind, found in truth.by_kind.items() if kind in truth.kinds})
    return windows, shown, window_features(windows.astype(np.float32))
