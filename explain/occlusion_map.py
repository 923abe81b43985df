"""What any forecaster looks at in each window, by hiding: no gradients, no truth, so much work and no more.

Occlusion after Zeiler and Fergus (2014), as in `importance`, but told of each window by itself, so that the
third paper's global map I(t, f) can be made of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ..pipeline.frames import Float32, Int64
from ..pipeline.histories import HISTORY_STEPS
from .importance import Forecasts

MOST_VALUES = 2**23  # of the windows cut at a time: 32 MiB


@dataclass(frozen=True, slots=True, eq=False)
class HiddenFrom:
    """A forecaster and what is hidden from it.

    `values` [n, F] is a regular grid, `origins` [m] the rows of first targets, `fill` [F] what stands in
    place of what is hidden. The forecaster reads `needs_rows` rows before an origin.
    `columns_apart`: it forecasts each of the F frequencies from its own past alone.
    """

    forecasts: Forecasts
    needs_rows: int
    values: Float32
    origins: Int64
    fill: Float32
    columns_apart: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Hidden:
    """How far forecasts move, mean over 12 steps and all frequencies, in the unit of the values.

    `steps` [m, 24]: when one step, oldest first, is hidden in all frequencies; `columns` [m, F]: when a
    frequency is hidden in all steps (an equal part of what its block moves, where several are hidden at a
    time); `maps` [m, 24, F], whose sum over frequencies is `steps`.
    """

    steps: Float32
    columns: Float32
    maps: Float32


def hide(asked: HiddenFrom, most_blocks: int) -> Hidden:
    """Hide every step, and every frequency or block of neighbouring ones, of at most `most_blocks`.

    Where columns stand apart, hiding a step tells of each single value. Elsewhere a step's part is shared
    out as hiding the blocks moves that window's forecast.
    """
    windows, frequencies = len(asked.origins), asked.values.shape[1]
    maps = np.empty((windows, HISTORY_STEPS, frequencies), np.float32)
    columns = np.empty((windows, frequencies), np.float32)
    blocks = blocks_of(frequencies, 1 if asked.columns_apart else most_blocks)
    for part, cut in _cut(asked):
        as_it_is = _forecasts(asked, cut)
        if asked.columns_apart:
            for step in range(HISTORY_STEPS):
                kept, cut[:, step - HISTORY_STEPS] = cut[:, step - HISTORY_STEPS].copy(), asked.fill
                maps[part, step] = _moved(asked, cut, as_it_is) / frequencies
                cut[:, step - HISTORY_STEPS] = kept
            cut[:] = asked.fill
            columns[part] = _moved(asked, cut, as_it_is) / frequencies
        else:
            steps, columns[part] = _hide_in_turn(asked, cut, as_it_is, blocks)
            maps[part] = steps[:, :, np.newaxis] * _shares(columns[part])[:, np.newaxis]
    return Hidden(maps.sum(axis=2), columns, maps)


def blocks_of(frequencies: int, most: int) -> list[slice]:
    """Neighbouring columns as at most `most` blocks of one size; the last may be smaller."""
    size = -(-frequencies // most)
    return [slice(first, min(first + size, frequencies)) for first in range(0, frequencies, size)]


def _cut(asked: HiddenFrom) -> Iterator[tuple[slice, Float32]]:
    """Windows and the rows that they read, each cut out on its own: float32 [b, needs, F]."""
    needs = asked.needs_rows
    unknown = np.full((needs, asked.values.shape[1]), np.nan, np.float32)
    rows = np.concatenate([unknown, asked.values])
    at_once = max(1, MOST_VALUES // (needs * asked.values.shape[1]))
    for first in range(0, len(asked.origins), at_once):
        origins = asked.origins[first : first + at_once]
        yield slice(first, first + len(origins)), rows[origins[:, np.newaxis] + np.arange(needs)]


def _hide_in_turn(
    asked: HiddenFrom, cut: Float32, as_it_is: Float32, blocks: list[slice]
) -> tuple[Float32, Float32]:
    """What steps [b, 24] and columns [b, F] move; `cut` is as it was afterwards."""
    steps = np.empty((len(cut), HISTORY_STEPS), np.float32)
    columns = np.empty((len(cut), cut.shape[2]), np.float32)
    for step in range(HISTORY_STEPS):
        kept, cut[:, step - HISTORY_STEPS] = cut[:, step - HISTORY_STEPS].copy(), asked.fill
        steps[:, step] = _moved(asked, cut, as_it_is).mean(axis=1)
        cut[:, step - HISTORY_STEPS] = kept
    for block in blocks:
        kept, cut[:, :, block] = cut[:, :, block].copy(), asked.fill[block]
        moved = _moved(asked, cut, as_it_is).mean(axis=1, keepdims=True)
        columns[:, block] = moved / (block.stop - block.start)
        cut[:, :, block] = kept
    return steps, columns


def _forecasts(asked: HiddenFrom, cut: Float32) -> Float32:
    origins = asked.needs_rows * np.arange(1, len(cut) + 1)
    return asked.forecasts(cut.reshape(-1, cut.shape[2]), origins)


def _moved(asked: HiddenFrom, cut: Float32, as_it_is: Float32) -> Float32:
    """By how much each frequency's forecast is another one: [b, F]."""
    return np.abs(_forecasts(asked, cut) - as_it_is).mean(axis=1)


def _shares(columns: Float32) -> Float32:
    """Of each window's sum; alike where nothing moves. Shape: [b, F]."""
    whole = columns.sum(axis=1, keepdims=True)
    even = np.full_like(columns, 1 / columns.shape[1])
    return np.divide(columns, whole, out=even, where=whole > 0)
