"""A band's model is fitted when enough of the band was heard, and again as more is."""

import numpy as np
import pytest

from bandwatch.models.activity import Geometry
from bandwatch.models.band_fitting import BandFitter, fit_band_model, held_out_windows, kept_numbers
from bandwatch.pipeline.errors import BadInput
from bandwatch.tests.jig import same

GEOMETRY = Geometry("node", "band", "dBm/bin", 256, 187.5, 2)


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


def test_the_held_out_windows_are_whole_blocks_a_quarter_of_all():
    held_out = held_out_windows(6144, segments=8)
    blocks = held_out.reshape(-1, 32 * 8)
    assert all(len(np.unique(block)) == 1 for block in blocks)
    assert held_out.mean() == 0.25
    assert held_out_windows(96, segments=8).sum() == 24


def test_the_model_never_sees_what_it_is_calibrated_on():
    heard = features(400)
    changed = heard.copy()
    held_out = held_out_windows(400, GEOMETRY.segments)
    changed[held_out] += 5
    one, other = fit_band_model(heard, GEOMETRY), fit_band_model(changed, GEOMETRY)
    assert same(one.centres, other.centres)
    assert same(one.projection, other.projection)
    assert one.calibration.size == held_out.sum()
    assert one.calibration.max() < other.calibration.min()


def test_a_refit_keeps_the_numbers_of_clusters_that_stayed():
    first = fit_band_model(features(400), GEOMETRY, clusters=6)
    second = fit_band_model(features(900, seed=7), GEOMETRY, clusters=6, previous=first, seed=5)
    fresh = features(200, seed=8)
    assert np.array_equal(first.assign(fresh)[0], second.assign(fresh)[0])


def test_new_clusters_get_numbers_nobody_had():
    old = np.array([[0.0, 0], [10, 0]], np.float32)
    new = np.array([[5.0, 50], [10.1, 0], [0.1, 0], [5, -50]], np.float32)
    assert kept_numbers(new, old, np.array([4, 1])).tolist() == [0, 1, 4, 2]


def test_fewer_new_clusters_leave_numbers_unused():
    old = np.array([[0.0], [10], [20]], np.float32)
    assert kept_numbers(np.array([[21.0], [1]], np.float32), old, np.array([0, 1, 2])).tolist() == [2, 0]


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
    "schedule", [{"first_windows": 7}, {"growth": 1}, {"last_windows": 95}, {"first_windows": 7000}]
)
def test_a_schedule_that_cannot_be_is_refused(schedule):
    with pytest.raises(BadInput, match="band fitting: first_windows"):
        BandFitter(GEOMETRY, **schedule)
