"""Level shifts among the rows before an origin: where a band's level changed for good, and rows put level."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from ...pipeline.frames import Float32, Int64
from ..forecast_past import past_rows

RANGE_ROWS = 48
LEAST_RANGE_ROWS = 24
OUTSIDE_RANGES = 0.3
LEAST_COLUMNS = 0.35
HELD_ROWS = 8
LEAST_HELD = 0.7
LEAST_STILL = 0.25
ALONE_RANGES = 3.0  # one row alone must lie so far outside: of it nobody knows whether it stays
LEVEL_ROWS = 12
USUAL_LEVELS = (0.1, 0.9)
MOST_VALUES = 2**22  # of windows that are put level at once


def jump_rows(values: Float32) -> Int64:
    """Rows at which a shift may have begun: most columns leave what they were in the 48 rows before.

    So it is where at least 0.35 of the columns lie outside the range of these rows, by more than 0.3 of
    that range; at least 24 of the 48 known (finite throughout). Each is told by the row and the 48 before.

    Shape: values [n, F] -> [jumps], ascending.
    """
    if len(values) <= LEAST_RANGE_ROWS:
        return np.zeros(0, np.int64)
    known = _known(values)
    counted = np.cumsum(known) - known  # of the rows before each
    counted[RANGE_ROWS:] -= counted[:-RANGE_ROWS].copy()
    high, low = _before(values, known, -np.inf, np.maximum), _before(values, known, np.inf, np.minimum)
    with np.errstate(invalid="ignore"):  # rows that are not known, or none before them
        beyond = OUTSIDE_RANGES * (high - low)
        outside = (values > high + beyond) | (values < low - beyond)
    share = np.count_nonzero(outside, axis=1) / values.shape[1]
    return np.flatnonzero(known & (counted >= LEAST_RANGE_ROWS) & (share >= LEAST_COLUMNS))


def _before(values: Float32, known: NDArray[np.bool_], unknown: float, extreme: np.ufunc) -> Float32:
    """The extreme of the known ones of the 48 rows before each row; `unknown` of none. Shape: [n, F]."""
    spanned = np.full((RANGE_ROWS + len(values) - 1, values.shape[1]), unknown, np.float32)
    np.copyto(spanned[RANGE_ROWS:], values[:-1], where=known[:-1, np.newaxis])
    for more in (1, 2, 4, 8, 16, 16):  # rows that each spans, doubled; 48 in the end
        spanned = extreme(spanned[:-more], spanned[more:])
    return spanned


def spanned(jumps: Int64, origins: Int64, rows: int) -> NDArray[np.bool_]:
    """Which origins have a jump among the `rows` rows before them. Shape: [jumps], [m] -> [m]."""
    return np.searchsorted(jumps, origins) > np.searchsorted(jumps, origins - rows, side="right")


def level_past(values: Float32, origins: Int64, rows: int) -> Float32:
    """As `past_rows`, level with the newest; reads 48 rows more. Shape: [n, F], [m] -> [m, rows, F]."""
    past, jumps = past_rows(values, origins, rows), jump_rows(values)
    which = np.flatnonzero(spanned(jumps, origins, rows))
    for some, windows in levelled(values, origins[which], jumps, rows):
        past[which[some]] = windows[:, RANGE_ROWS:]
    return past


def levelled(values: Float32, origins: Int64, jumps: Int64, rows: int) -> Iterator[tuple[slice, Float32]]:
    """The `rows` + 48 rows before each origin, the last `rows` of them level with the newest.

    Some origins at a time. Shape: values [n, F], origins [m] -> which of them [k], rows [k, rows + 48, F].
    """
    reach = rows + RANGE_ROWS
    several = max(1, MOST_VALUES // (reach * values.shape[1]))
    for start in range(0, len(origins), several):
        some = slice(start, min(start + several, len(origins)))
        windows = past_rows(values, origins[some], reach)  # a copy
        for window, origin in zip(windows, origins[some].tolist(), strict=True):
            inside = jumps[(jumps > origin - rows) & (jumps < origin)]
            for jump in reversed(inside.tolist()):  # the newest first: what is judged is level with it
                _put_level(window, jump - (origin - reach))
        yield some, windows


def _put_level(window: Float32, jump: int) -> None:
    """Add to the rows before a jump what it changed, in place, if it is a shift. Shape: [R, F].

    It is one where at least 0.35 of the columns stayed outside their range: in 0.7 of the first eight rows,
    or as many as there are; and a quarter of these columns by the median of the newest eight, too: what came
    back was a burst. The change is that of the median, of twelve rows to twelve; of the other columns only
    where their median left the middle 80 % of those before.
    """
    new, old = (
        part[_known(part)]
        for part in (window[jump : jump + LEVEL_ROWS], window[max(0, jump - RANGE_ROWS) : jump])
    )
    first, high, low = new[:HELD_ROWS], old.max(axis=0), old.min(axis=0)
    beyond = (ALONE_RANGES if len(new) == 1 else OUTSIDE_RANGES) * (high - low)
    above = np.asarray((first > high + beyond).mean(axis=0) >= LEAST_HELD)
    below = np.asarray((first < low - beyond).mean(axis=0) >= LEAST_HELD)
    moved = above | below
    if moved.mean() < LEAST_COLUMNS:
        return
    newest = np.median(window[max(jump, len(window) - HELD_ROWS) :], axis=0)
    if ((above & (newest > high)) | (below & (newest < low))).sum() < LEAST_STILL * moved.sum():
        return
    before, level = old[-LEVEL_ROWS:], np.median(new, axis=0)
    least, most = np.quantile(before, USUAL_LEVELS, axis=0)
    moved |= (level < least) | (level > most)
    window[:jump] += np.where(moved, level - np.median(before, axis=0), 0).astype(np.float32)


def are_bursts(values: Float32, jumps: Int64) -> bool:
    """Whether what looks like a shift after eight rows is over 48 later, too often to believe in any.

    Three times at least, and once in 1,000 rows. Shape: values [n, F], `jump_rows` of them [jumps].
    """
    over = 0
    for jump in jumps[jumps >= RANGE_ROWS].tolist():
        told = []
        for rows in (HELD_ROWS, HELD_ROWS + RANGE_ROWS):
            before = values[jump - RANGE_ROWS : jump + rows]
            window = before.copy()
            _put_level(window, RANGE_ROWS)
            told.append(not np.array_equal(window, before, equal_nan=True))
        over += told == [True, False]
    return over >= max(3, len(values) / 1000)


def _known(values: Float32) -> NDArray[np.bool_]:
    """Rows [n] that are finite throughout."""
    return np.asarray(np.isfinite(values).all(axis=1))
