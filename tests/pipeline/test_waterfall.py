"""A waterfall keeps every burst, puts rows where their time is, and leaves holes empty."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from bandwatch.pipeline.frames import Gap, PsdFrame
from bandwatch.pipeline.waterfall import Waterfall
from bandwatch.tests.jig import SECOND, gap_before, rows


def picture(
    items: Sequence[PsdFrame | Gap], *, most_rows: int = 1000, most_columns: int = 1000
) -> np.ndarray:
    frames = [item for item in items if isinstance(item, PsdFrame)]
    waterfall = Waterfall(
        min(frame.time_ns for frame in frames),
        max(frame.end_ns for frame in frames),
        frames[0].duration_ns,
        frames[0].bins,
        most_rows=most_rows,
        most_columns=most_columns,
    )
    for item in items:
        waterfall.add(item)
    return waterfall.finish()


def test_a_small_recording_is_shown_value_by_value() -> None:
    items = rows(20, bins=8)
    np.testing.assert_array_equal(picture(items), np.stack([item.power_db for item in items]))


def test_a_large_one_keeps_the_highest_of_each_block() -> None:
    items = rows(60, bins=12)
    values = np.stack([item.power_db for item in items])
    expected = values.reshape(20, 3, 6, 2).max(axis=(1, 3))
    np.testing.assert_array_equal(picture(items, most_rows=20, most_columns=6), expected)


def test_sizes_that_do_not_divide_miss_nothing() -> None:
    items = rows(61, bins=13)
    values = np.stack([item.power_db for item in items])
    drawn = picture(items, most_rows=20, most_columns=6)
    assert drawn.shape == (20, 6)
    assert np.isfinite(drawn).all()
    assert drawn.max() == values.max()
    assert np.isin(drawn, values).all()


def test_jittered_rows_leave_no_stripes() -> None:
    random = np.random.default_rng(3)
    times_ns = np.cumsum(random.uniform(0.85, 1.15, 300) * SECOND).astype(int).tolist()
    items = [replace(frame, time_ns=ns) for frame, ns in zip(rows(300, bins=4), times_ns, strict=True)]
    assert np.isfinite(picture(items)).all()


def test_a_hole_stays_empty() -> None:
    items = rows(20, bins=4)
    later = [replace(frame, time_ns=frame.time_ns + 10 * SECOND) for frame in items[12:]]
    drawn = picture([*items[:12], gap_before(later[0]), *later])
    assert np.flatnonzero(np.isnan(drawn).all(axis=1)).tolist() == list(range(12, 22))


def test_a_clock_set_back_paints_where_the_rows_say() -> None:
    items = rows(20, bins=4)
    later = [replace(frame, time_ns=frame.time_ns - 5 * SECOND) for frame in items[10:]]
    drawn = picture([*items[:10], gap_before(later[0], "clock"), *later])
    assert drawn.shape == (15, 4)
    np.testing.assert_array_equal(drawn[5], np.maximum(items[5].power_db, items[10].power_db))


def test_values_that_are_no_numbers_are_left_out() -> None:
    items = rows(4, bins=4)
    broken = items[1].power_db.copy()
    broken[:3] = np.nan, np.inf, -np.inf
    drawn = picture([items[0], replace(items[1], power_db=broken), *items[2:]])
    assert np.isnan(drawn[1]).tolist() == [True, True, True, False]


def test_a_waterfall_of_nothing_is_empty() -> None:
    assert np.isnan(Waterfall(0, SECOND, SECOND, 4, most_rows=9, most_columns=9).finish()).all()
