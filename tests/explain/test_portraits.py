"""Portraits against numpy over all windows at once, and what the figures show."""

import numpy as np
import pytest

from bandwatch.explain.plain_names import PixelSize
from bandwatch.explain.portrait_figures import draw_portrait, draw_portraits
from bandwatch.explain.portraits import LEVEL_QUANTILES, Portraits
from bandwatch.pipeline.errors import BadInput

HOUR_NS = 3600 * 10**9
CLUSTERS = (2, 5, 9)


def windows(count, seed=0):
    random = np.random.default_rng(seed)
    values = random.random((count, 128, 128), dtype=np.float32)
    return (
        values,
        random.choice(CLUSTERS[:2], count),
        random.integers(0, 4, count),
        random.integers(0, 48, count) * HOUR_NS + 5,
        random.random(count),
    )


def filled(drawn, places):
    portraits = Portraits(CLUSTERS, 4)
    for place in places:
        portraits.add(*(each[place] for each in drawn))
    return portraits


def same(one, other):
    for mine, yours in zip(one.portraits(), other.portraits(), strict=True):
        np.testing.assert_allclose(mine.mean_db, yours.mean_db, rtol=1e-6)
        for name in ("level_db", "typical_db"):
            np.testing.assert_array_equal(getattr(mine, name), getattr(yours, name))
        for name in ("segments", "hours", "all_segments", "all_hours"):
            np.testing.assert_array_equal(getattr(mine.origins, name), getattr(yours.origins, name))
        assert (mine.windows, mine.typical_start_ns) == (yours.windows, yours.typical_start_ns)


def test_a_portrait_is_what_numpy_finds_in_all_windows_at_once():
    drawn = values, clusters, segments, start_ns, distance = windows(40)
    portraits = filled(drawn, range(40))
    assert portraits.windows == 40
    assert [portrait.cluster for portrait in portraits.portraits()] == [2, 5]  # 9 has had none
    for portrait in portraits.portraits():
        own = clusters == portrait.cluster
        level_db = values[own].astype(np.float64) * 40 - 5
        assert portrait.windows == own.sum()
        np.testing.assert_allclose(portrait.mean_db, level_db.mean(axis=0), atol=1e-4)
        columns = np.quantile(level_db.reshape(-1, 128), LEVEL_QUANTILES, axis=0)
        np.testing.assert_allclose(portrait.level_db, columns, atol=0.26)
        np.testing.assert_array_equal(portrait.origins.segments, np.bincount(segments[own], minlength=4))
        hours = start_ns[own] // HOUR_NS % 24
        np.testing.assert_array_equal(portrait.origins.hours, np.bincount(hours, minlength=24))
        assert portrait.origins.all_hours.sum() == portrait.origins.all_segments.sum() == 40
        assert portrait.origins.segment_shares.sum() == pytest.approx(1)
        assert portrait.origins.share == pytest.approx(own.mean())
        nearest = np.flatnonzero(own)[distance[own].argmin()]
        np.testing.assert_allclose(portrait.typical_db, values[nearest] * 40 - 5, atol=1e-5)
        assert portrait.typical_start_ns == start_ns[nearest]


def test_merged_portraits_are_those_of_all_windows_in_whatever_order():
    drawn = windows(30, seed=1)
    whole = filled(drawn, range(30))
    for first, second in ((range(11), range(11, 30)), (range(29, 11, -1), range(12))):
        merged = filled(drawn, first)
        merged.merge(filled(drawn, second))
        same(merged, whole)


def test_memory_does_not_grow_with_windows():
    def held(portraits):
        return sum(each.nbytes for each in vars(portraits).values() if isinstance(each, np.ndarray))

    drawn = windows(12)
    assert held(filled(drawn, range(12))) == held(filled(drawn, range(1))) < 1e6


def test_no_distance_no_typical_window():
    portraits = Portraits([0], 1)
    portraits.add(np.zeros((128, 128), np.float16), 0, 0, 0)
    (portrait,) = portraits.portraits()
    assert portrait.typical_db is None
    assert portrait.mean_db.max() == -5


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"cluster": 7}, r"cluster 7 is none of 2, 5, 9"),
        ({"segment": 4}, r"segment 4, the band has 0 to 3"),
        ({"values": np.zeros((128, 64), np.float32)}, r"shape \[128, 64\], needs \[128, 128\]"),
        ({"values": np.full((128, 128), np.nan, np.float32)}, r"values from nan to nan, needs 0 to 1"),
        ({"values": np.full((128, 128), 1.5, np.float32)}, r"values from 1.5 to 1.5, needs 0 to 1"),
    ],
)
def test_what_is_no_window_of_the_band_is_refused_and_leaves_nothing(changed, message):
    portraits = Portraits(CLUSTERS, 4)
    good = {"values": np.zeros((128, 128), np.float32), "cluster": 2, "segment": 0, "start_ns": 0}
    with pytest.raises(BadInput, match=message):
        portraits.add(**(good | changed))
    assert portraits.windows == 0


def test_portraits_of_other_clusters_do_not_merge():
    with pytest.raises(
        BadInput, match=r"clusters \[1\] in 4 segments do not merge into those of clusters \[2\]"
    ):
        Portraits([2], 4).merge(Portraits([1], 4))
    with pytest.raises(BadInput, match="cluster 2 has had no window"):
        Portraits([2], 4).portrait(2)
    with pytest.raises(BadInput, match="needs at least one, each once"):
        Portraits([2, 2], 4)


def test_figures_have_their_axes_in_hertz_seconds_and_decibels():
    drawn = windows(12)
    found = filled(drawn, range(12)).portraits()
    pixel = PixelSize(187.5, 0.2)
    figure = draw_portraits(found, pixel, {2: "meter"})
    figure.canvas.draw()
    spectrogram = next(axes for axes in figure.axes if axes.images)
    left, right, bottom, top = spectrogram.images[0].get_extent()
    assert (left, right) == (-12, 12)  # 128 bins of 187.5 Hz, in kHz
    assert (bottom, top) == (25.6, 0)  # time runs downward
    assert spectrogram.get_title().startswith("cluster 2: meter")
    assert any("dB above the floor" in axes.get_ylabel() for axes in figure.axes)
    alone = draw_portrait(found[0], pixel, 868.2e6 + 24e3 * np.arange(4))
    alone.canvas.draw()
    labels = {axes.get_xlabel() for axes in alone.axes}
    assert {"kHz from the middle", "MHz, middle of the segment", "hour of the day, UTC"} <= labels
    with pytest.raises(BadInput, match="no cluster has had a window"):
        draw_portraits([], pixel)
