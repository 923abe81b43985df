"""The windows an encoder learns from, cut by the same stages as live ones, held in half precision."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from ..pipeline.errors import BadInput
from ..pipeline.frames import Gap, PsdFrame, Window
from ..pipeline.noise_floor import NoiseFloor
from ..pipeline.windows import WINDOW_BINS, WINDOW_ROWS, Windower
from .unbroken import unbroken

TRAINING_STRIDE_ROWS = 128
WINDOW_GIB = 2 * WINDOW_ROWS * WINDOW_BINS / 2**30

Float16 = NDArray[np.float16]


def cut_windows(items: Iterable[PsdFrame | Gap], stride_rows: int) -> Iterator[Window]:
    """The windows of one source's rows, as the agent would cut them where no mask is set."""
    noise_floor, windower = NoiseFloor(), Windower(stride_rows)
    for item in unbroken(items):
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
    Memory: 32 KiB for each of `limit` windows, once; what no window fills is never touched. Raises BadInput
    where they do not fit.
    """
    try:
        windows = np.empty((limit, WINDOW_ROWS, WINDOW_BINS), dtype=np.float16)
    except (MemoryError, ValueError):
        raise BadInput(f"{limit} training windows need {limit * WINDOW_GIB:.0f} GiB of memory") from None
    count = 0
    for source in sources:
        wanted = limit - count if each is None else min(each, limit - count)
        for window in islice(cut_windows(source, stride_rows), wanted):
            windows[count] = window.values
            count += 1
            on_window()
    return windows[:count]
