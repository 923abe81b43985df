"""Windows: how many, of what, and none across a gap."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bandwatch.pipeline.frames import LevelledRow
from bandwatch.pipeline.stage import drive
from bandwatch.pipeline.windows import Windower, scale, segment_starts
from bandwatch.tests.jig import assert_is_stage, assert_lasts, gap_before, rows


def levelled(count: int, floor_db: float = -100.0, **changes) -> list[LevelledRow]:
    return [LevelledRow(frame, floor_db, floor_db, 0.0) for frame in rows(count, **changes)]


@pytest.mark.parametrize("bins", [56, 128, 151])
def test_passes_the_jig(bins):
    outputs = assert_is_stage(
        lambda: Windower(16), levelled(300, bins=bins), make_gap=lambda item: gap_before(item.frame)
    )
    assert all(window.values.dtype == np.float32 for window in outputs)


@pytest.mark.parametrize("bins", [31, 56, 151])
def test_it_lasts(bins):
    wide, other = levelled(320, bins=bins), levelled(130, bins=128)
    items = [*wide[:150], gap_before(wide[150]), *wide[150:], *other]
    assert_lasts(
        lambda: Windower(16), items, moments=[0, 1, 127, 128, 143, 150, 151, 160, 280, 321, 322, 451]
    )


@pytest.mark.parametrize(
    ("bins", "starts"),
    [
        (31, []),
        (32, [0]),
        (127, [0]),
        (128, [0]),
        (151, [0, 23]),
        (200, [0, 72]),
        (1024, list(range(0, 1024, 128))),
        (300, [0, 86, 172]),
    ],
)
def test_the_rule_of_segments(bins, starts):
    assert segment_starts(bins).tolist() == starts


@given(st.integers(128, 5000))
def test_segments_cover_every_bin(bins):
    seen = np.zeros(bins, dtype=bool)
    for first in segment_starts(bins):
        seen[first : first + 128] = True
    assert seen.all()


@settings(max_examples=20, deadline=None)
@given(count=st.integers(1, 420), stride=st.sampled_from([1, 16, 37, 128]), bins=st.sampled_from([40, 130]))
def test_as_many_windows_as_the_rule_predicts(count, stride, bins):
    cuts = max(0, math.floor((count - 128) / stride) + 1) if count >= 128 else 0
    windows = drive(Windower(stride), levelled(count, bins=bins))
    assert len(windows) == cuts * len(segment_starts(bins))


def test_values_are_the_last_rows_of_the_segment_relative_to_the_floor():
    items = levelled(160, bins=256, floor_db=-103.0)
    window = drive(Windower(16), items)[-1]
    expected = np.stack([row.frame.power_db[128:256] for row in items[32:160]])
    np.testing.assert_allclose(window.values, np.clip((expected + 108) / 40, 0, 1), atol=1e-5)
    assert window.segment == 1
    assert window.start_ns == items[32].frame.time_ns
    assert window.end_ns == items[159].frame.end_ns
    assert window.center_hz == pytest.approx(items[0].frame.center_hz + 64 * 187.5)
    assert window.bin_hz == 187.5


def test_a_narrow_band_is_stretched_with_its_ends_kept():
    items = levelled(128, bins=56)
    window = drive(Windower(16), items)[0]
    row = items[-1].frame.power_db
    expected = np.interp(np.linspace(0, 55, 128), np.arange(56), row)
    np.testing.assert_allclose(window.values[-1], (expected + 105) / 40, atol=1e-5)
    assert window.center_hz == pytest.approx(items[0].frame.center_hz)
    assert window.bin_hz * 127 == pytest.approx(55 * 187.5)


def test_scale_clips_five_below_and_thirty_five_above_the_floor():
    scaled = scale(np.array([-200, -105, -100, -85, -65, 0], dtype=np.float32), -100.0)
    np.testing.assert_allclose(scaled, [0, 0, 0.125, 0.5, 1, 1], atol=1e-6)


def test_too_few_bins_give_no_window_but_say_when_one_was_due():
    windower = Windower(16)
    due = []
    for row in levelled(160, bins=31):
        assert windower.push(row) == []
        due.append(windower.due)
    assert np.flatnonzero(due).tolist() == [127, 143, 159]


def test_a_gap_makes_the_next_window_wait_for_128_rows():
    windower = Windower(16)
    items = levelled(400)
    drive(windower, items[:200])
    windower.gap(gap_before(items[200].frame))
    assert windower.rows_held == 0
    counts = [len(windower.push(row)) for row in items[200:344]]
    assert np.flatnonzero(counts).tolist() == [127, 143]


def test_windows_are_not_changed_by_later_rows():
    windower = Windower(1)
    items = levelled(300)
    first = drive(windower, items[:128])[0]
    before = first.values.copy()
    drive(windower, items[128:])
    np.testing.assert_array_equal(first.values, before)
    with pytest.raises(ValueError, match="read-only"):
        first.values[0, 0] = 1
