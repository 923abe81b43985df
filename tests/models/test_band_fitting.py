"""A band's model is fitted when enough of the band was heard, and again as more is."""

import dataclasses

import numpy as np
import pytest

from bandwatch.models.activity import Geometry
from bandwatch.models.band_fitting import BandFitter, fit_band_model
from bandwatch.models.calibration_blocks import calibration_blocks, disjoint_windows
from bandwatch.models.cluster_numbers import kept_numbers
from bandwatch.pipeline.errors import BadInput
from bandwatch.tests.jig import same

GEOMETRY = Geometry(
    node="node", band="band", unit="dBm/bin", bins=256, first_hz=868e6, bin_hz=187.5, segments=2
)


def features(count: int, seed: int = 0) -> np.ndarray:
    random = np.random.default_rng(seed)
    centres = np.random.default_rng(99).normal(0, 3, (6, 16))
    return (centres[random.integers(6, size=count)] + random.normal(0, 0.4, (count, 16))).astype(np.float32)


def test_models_come_at_96_windows_and_four_times_as_many_until_the_last():
    fitter = BandFitter(GEOMETRY, last_windows=1000)
    assert fitter.windows_due == 96
    fitted = [
        (fitter.windows, model.windows, model.cluster_count)
        for window in features(1100)
        if (model := fitter.push(window[None])) is not None
    ]
    assert fitted == [(96, 96, 12), (384, 384, 24), (1000, 1000, 24)]
    assert fitter.windows_due is None


@pytest.mark.parametrize("batch", [1, 7, 96, 97, 500, 1100])
def test_the_size_of_the_batches_changes_nothing(batch):
    heard = features(1100)
    whole, parts = BandFitter(GEOMETRY, last_windows=1000), BandFitter(GEOMETRY, last_windows=1000)
    for first in range(0, len(heard), batch):
        parts.push(heard[first : first + batch])
    assert same(whole.push(heard), parts.model)


def test_two_fits_of_the_same_windows_are_equal_to_the_bit():
    assert same(fit_band_model(features(300), GEOMETRY), fit_band_model(features(300), GEOMETRY))


def test_reset_is_new():
    fitter = BandFitter(GEOMETRY)
    fitter.push(features(150, seed=1))
    fitter.reset()
    assert (fitter.windows, fitter.windows_due, fitter.model) == (0, 96, None)
    assert same(fitter.push(features(100)), BandFitter(GEOMETRY).push(features(100)))


def test_two_fitters_share_nothing_and_leave_their_input_alone():
    heard = features(100)
    before = heard.copy()
    one, other = BandFitter(GEOMETRY), BandFitter(GEOMETRY)
    one.push(heard)
    assert other.windows == 0
    assert np.array_equal(heard, before)
    heard[:] = 0  # what was given may be overwritten by its owner


def test_no_windows_change_nothing():
    fitter = BandFitter(GEOMETRY)
    assert fitter.push(features(0)) is None
    assert fitter.windows == 0


def rows_of(window: int, segments: int, stride_rows: int) -> set[int]:
    """The rows a band's n-th window shows."""
    first = window // segments * stride_rows
    return set(range(first, first + 128))


@pytest.mark.parametrize(
    ("count", "segments", "stride_rows"),
    [
        (96, 8, 16),
        (384, 8, 16),
        (1536, 8, 16),
        (2000, 1, 1),
        (640, 1, 2),
        (500, 2, 120),
        (64, 8, 128),
        (40, 1, 300),
    ],
)
def test_no_row_is_both_learnt_from_and_calibrated_with(count, segments, stride_rows):
    blocks = list(calibration_blocks(count, segments, stride_rows))
    for learnt, held_out in blocks:
        assert learnt.any()
        assert held_out.any()
        seen = {True: set(), False: set()}
        for window in np.flatnonzero(learnt | held_out):
            seen[bool(learnt[window])] |= rows_of(int(window), segments, stride_rows)
        assert not seen[True] & seen[False]
    if len(blocks) > 1:
        assert np.array_equal(sum(held_out.astype(int) for _, held_out in blocks), np.ones(count)), (
            "every window calibrates once"
        )


def test_segments_of_one_moment_are_never_parted():
    for count in (96, 384, 1536, 6144):
        for sides in calibration_blocks(count, 8, 16):
            for side in sides:
                moments = side.reshape(-1, 8)
                assert (moments == moments[:, :1]).all()


def test_the_first_fit_calibrates_with_one_moment_that_shares_no_row():
    ((learnt, held_out),) = calibration_blocks(96, 8, 16)
    assert (learnt.sum(), held_out.sum()) == (32, 8)
    model = fit_band_model(features(96), dataclasses.replace(GEOMETRY, segments=8))
    assert model.assign(features(5) + 50)[2].max() == pytest.approx(1 - 1 / 9)


def test_where_no_two_windows_are_disjoint_the_last_quarter_calibrates():
    ((learnt, held_out),) = calibration_blocks(8, 8, 16)
    assert held_out.tolist() == [False] * 6 + [True] * 2
    assert learnt.tolist() == [True] * 6 + [False] * 2
    ((_, held_out),) = calibration_blocks(100, 1, 1)
    assert held_out.sum() == 25


def test_windows_that_share_no_row_are_counted():
    assert disjoint_windows(6144, 8, 16) == 6144 / 8
    assert disjoint_windows(6144, 8, 128) == disjoint_windows(6144, 8, 500) == 6144
    assert disjoint_windows(8, 8, 16) == 8
    assert disjoint_windows(1, 8, 16) == 1


def test_an_odd_stretch_is_calibrated_by_models_that_have_not_heard_it():
    """Far off for a fifth of the time: were it judged by what has learnt from it, it would seem usual."""
    heard = features(1000)
    heard[400:600] += 50
    plain, odd = (fit_band_model(f, GEOMETRY, stride_rows=128) for f in (features(1000), heard))
    assert plain.usual.calibration.size == odd.usual.calibration.size == 1000
    assert (odd.usual.calibration > 5 * plain.usual.calibration.max()).sum() == 200


def test_a_fitter_of_another_stride_calibrates_otherwise():
    near, far = BandFitter(GEOMETRY, stride_rows=1), BandFitter(GEOMETRY, stride_rows=64)
    assert near.push(features(384)).usual.disjoint < far.push(features(384)).usual.disjoint
    expected = fit_band_model(features(96), GEOMETRY, stride_rows=64)
    assert same(BandFitter(GEOMETRY, stride_rows=64).push(features(96)), expected)


def test_beyond_what_is_held_a_fit_is_on_moments_farther_apart():
    heard = features(2048)
    fitter = BandFitter(GEOMETRY, first_windows=128, growth=2, last_windows=2048, most_held=512)
    held = []
    for window in heard:
        fitter.push(window[None])
        held.append(sum(map(len, fitter.state()["held"])))
    assert max(held) <= 512
    kept = heard.reshape(-1, 2, 16)[::4].reshape(-1, 16)
    whole = fit_band_model(kept, GEOMETRY, stride_rows=16 * 4, heard=2048)
    assert np.array_equal(whole.centres, fitter.model.centres)
    assert same(whole.usual, fitter.model.usual)
    assert (fitter.model.windows, fitter.model.usual.disjoint) == (2048, 256)


def test_a_refit_keeps_the_numbers_of_clusters_that_stayed():
    first = fit_band_model(features(400), GEOMETRY, clusters=6)
    second = fit_band_model(features(900, seed=7), GEOMETRY, clusters=6, previous=first, seed=5)
    fresh = features(200, seed=8)
    assert np.array_equal(first.assign(fresh)[0], second.assign(fresh)[0])


def test_new_clusters_get_numbers_nobody_had():
    old = np.array([[0.0, 0], [10, 0]], np.float32)
    new = np.array([[5.0, 50], [10.1, 0], [0.1, 0], [5, -50]], np.float32)
    numbers = kept_numbers(new, old, np.array([4, 1]), farthest=3, next_number=6)
    assert numbers.tolist() == [6, 1, 4, 7]


def test_a_cluster_far_from_all_old_ones_inherits_no_number():
    old = np.array([[0.0], [10]], np.float32)
    new = np.array([[90.0], [1]], np.float32)
    assert kept_numbers(new, old, np.array([0, 1]), farthest=3, next_number=2).tolist() == [2, 0]
    assert kept_numbers(old + 3, old, np.array([0, 1]), farthest=3, next_number=2).tolist() == [2, 3]


def test_one_far_cluster_does_not_part_the_near_ones():
    old = np.array([[0.0], [4], [8]], np.float32)
    new = np.array([[0.1], [4.1], [900]], np.float32)
    assert kept_numbers(new, old, np.array([0, 1, 2]), farthest=3, next_number=3).tolist() == [0, 1, 3]


def test_fewer_new_clusters_leave_numbers_unused():
    old = np.array([[0.0], [10], [20]], np.float32)
    new = np.array([[21.0], [1]], np.float32)
    assert kept_numbers(new, old, np.array([0, 1, 2]), farthest=3, next_number=3).tolist() == [2, 0]


def test_a_retired_number_is_never_given_out_again():
    first = fit_band_model(features(400), GEOMETRY, clusters=6)
    fewer = fit_band_model(features(400)[:, :], GEOMETRY, clusters=2, previous=first)
    moved = fit_band_model(features(400) + 500, GEOMETRY, clusters=6, previous=fewer)
    assert first.numbers_used == 6
    assert fewer.numbers_used >= 6
    assert min(moved.clusters) >= fewer.numbers_used
    assert moved.numbers_used == max(moved.clusters) + 1


def test_a_band_that_never_changes_keeps_its_number():
    fitter = BandFitter(GEOMETRY)
    for _ in range(4):
        fitter.push(np.full((96, 16), 0.5, np.float32))
    assert fitter.model is not None
    assert fitter.model.windows == 384
    assert fitter.model.clusters.tolist() == [0]


def test_a_band_that_never_changes_is_one_cluster_without_novelty():
    model = BandFitter(GEOMETRY).push(np.full((96, 16), 0.5, np.float32))
    assert model is not None
    assert model.cluster_count == 1
    clusters, distances, novelty = model.assign(np.full((3, 16), 0.5, np.float32))
    assert (clusters.tolist(), novelty.tolist()) == ([0, 0, 0], [0, 0, 0])
    np.testing.assert_allclose(distances, 0, atol=1e-5)


def test_too_few_windows_and_numbers_that_are_none_are_refused():
    with pytest.raises(BadInput, match="node/band: 7 windows, a band model needs at least 8"):
        fit_band_model(features(7), GEOMETRY)
    broken = features(96)
    broken[5, 3] = np.nan
    with pytest.raises(BadInput, match="node/band: features hold NaN or infinity"):
        fit_band_model(broken, GEOMETRY)


@pytest.mark.parametrize(
    "schedule", [{"first_windows": 7}, {"growth": 1}, {"last_windows": 95}, {"first_windows": 400_000}]
)
def test_a_schedule_that_cannot_be_is_refused(schedule):
    with pytest.raises(BadInput, match="band fitting: first_windows"):
        BandFitter(GEOMETRY, **schedule)
