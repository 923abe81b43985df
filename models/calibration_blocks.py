"""Which windows of a band calibrate what was fitted on the others: blocks of time that share no row."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from ..pipeline.windows import WINDOW_ROWS

MOST_BLOCKS = 5
LEAST_BLOCKS = 3
LEAST_BLOCK_ROWS = 256
FEW_ROWS_SHARE = 4

Bools = NDArray[np.bool_]


def calibration_blocks(count: int, segments: int, stride_rows: int) -> Iterator[tuple[Bools, Bools]]:
    """For each block, which of a band's windows are learnt from and which calibrate: bool [count] each.

    `segments` windows at a time are of one moment and span the same 128 rows, `stride_rows` after those
    before. Time is cut into five blocks, or fewer that span at least 256 rows each. Each block calibrates
    what is fitted on the others, so that every window calibrates once; of the others, those that share a row
    with the block are left out.

    Below 768 rows there is one block: the last 256 rows, or the last 128, one moment, and only windows that
    lie wholly in it. Below 256 no two windows are disjoint: the last quarter of the windows calibrates,
    though it overlaps the others.
    """
    moment = np.arange(count) // segments
    rows = int(moment[-1]) * stride_rows + WINDOW_ROWS
    if rows < 2 * WINDOW_ROWS:
        held_out = np.arange(count) >= count - count // FEW_ROWS_SHARE
        yield ~held_out, held_out
        return
    first = moment * stride_rows
    after = first + WINDOW_ROWS
    blocks = min(MOST_BLOCKS, rows // LEAST_BLOCK_ROWS)
    if blocks < LEAST_BLOCKS:
        start = rows - max(WINDOW_ROWS, rows // FEW_ROWS_SHARE)
        yield after <= start, first >= start
        return
    moments = int(moment[-1]) + 1
    for block in range(blocks):
        held_out = (moment >= moments * block // blocks) & (moment < moments * (block + 1) // blocks)
        yield (after <= first[held_out].min()) | (first >= after[held_out].max()), held_out


def disjoint_windows(count: int, segments: int, stride_rows: int) -> int:
    """How many of a band's windows share no row with each other at most; at least 1."""
    moments = -(-count // segments)
    apart = -(-WINDOW_ROWS // stride_rows)
    return min(count, segments * -(-moments // apart))
