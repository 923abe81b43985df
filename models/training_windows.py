"""The windows an encoder learns from, cut by the same stages as live ones, held in half precision."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from ..pipeline.frames import Gap, PsdFrame, Window
from ..pipeline.noise_floor import NoiseFloor
from ..pipeline.windows import WINDOW_BINS, WINDOW_ROWS, Windower

TRAINING_STRIDE_ROWS = 128

Float16 = NDArray[np.float16]


def cut_windows(items: Iterable[PsdFrame | Gap], stride_rows: int) -> Iterator[Window]:
    """The windows of one band's rows, as the agent would cut them."""
    noise_floor, windower = NoiseFloor(), Windower(stride_rows)
    for item in items:
        if isinstance(item, Gap):
            noise_floor.gap(item)
            windower.gap(item)
            continue
        for levelled in noise_floor.push(item):
            yield from windower.push(levelled)


def gather(
    sources: Iterable[Iterable[PsdFrame | Gap]],
    *,
    limit: int,
    each: int | None = None,
    stride_rows: int = TRAINING_STRIDE_ROWS,
    on_window: Callable[[], None] = lambda: None,
) -> Float16:
    """Windows of several bands one after another: float16 [n, 128, 128], n at most `limit`.

    `each` bounds those of one source, which may then be endless. Half precision resolves 0.02 dB here.
    """
    gathered: list[Float16] = []
    for source in sources:
        wanted = limit - len(gathered) if each is None else min(each, limit - len(gathered))
        for window in islice(cut_windows(source, stride_rows), wanted):
            gathered.append(window.values.astype(np.float16))
            on_window()
    return _stacked(gathered)


def _stacked(gathered: list[Float16]) -> Float16:
    if not gathered:
        return np.zeros((0, WINDOW_ROWS, WINDOW_BINS), dtype=np.float16)
    return np.stack(gathered)
