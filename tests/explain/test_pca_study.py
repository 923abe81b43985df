"""The study of the components: variance in closed form, neighbourhoods by set arithmetic, and its figures."""

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.offsetbox import AnnotationBbox

from bandwatch.explain.attribution_figures import draw_attributions
from bandwatch.explain.neighbourhoods import agreement_of, nearest_rows, overlap
from bandwatch.explain.pca_figure import draw_components
from bandwatch.explain.pca_study import average_windows, study_components
from bandwatch.models.clustering import fit_projection
from bandwatch.pipeline.errors import BadInput

CLUSTERS, DIMENSIONS = 4, 12


@pytest.fixture(scope="module")
def features():
    """Four clouds in a plane of 12 dimensions, and a little of everything besides."""
    random = np.random.default_rng(0)
    clusters = random.integers(CLUSTERS, size=240)
    places = np.zeros((CLUSTERS, DIMENSIONS))
    places[:, :2] = [[0, 0], [9, 0], [0, 7], [9, 7]]
    return (places[clusters] + random.normal(0, 0.3, (240, DIMENSIONS))).astype(np.float32), clusters


@pytest.fixture(scope="module")
def study(features):
    return study_components(features[0], fit_projection(features[0], 3), features[1], most=160, neighbours=8)


def test_the_variance_is_that_of_the_covariances_eigenvalues(features, study):
    values = np.sort(np.linalg.eigvalsh(np.cov(features[0].astype(np.float64).T)))[::-1]
    expected = np.cumsum(values) / values.sum()
    np.testing.assert_allclose(study.cumulative_variance, expected, atol=1e-6)
    assert study.components == 3
    assert study.kept_variance == pytest.approx(expected[2], abs=1e-6)
    assert study.components_for(0.85) == int((expected < 0.85).sum()) + 1 == 2
    assert study.components_for(1.1) == DIMENSIONS


def test_windows_are_drawn_once_each_and_keep_their_clusters(features, study):
    assert len(np.unique(study.drawn)) == len(study.drawn) == 160
    assert np.array_equal(study.clusters, features[1][study.drawn])
    assert study.features_map.shape == study.points_map.shape == (160, 2)


def test_what_the_components_keep_is_kept(study):
    # Four clouds far apart: whoever is near is of one's own cloud, in both spaces and on both maps.
    assert study.kept.same_cluster == study.maps.same_cluster == (1.0, 1.0)
    assert study.kept.trustworthiness > 0.9
    assert study.maps.neighbour_overlap > 2 * study.maps.overlap_by_chance


def test_the_same_seed_gives_the_same_maps(features, study):
    again = study_components(features[0], fit_projection(features[0], 3), features[1], most=160, neighbours=8)
    assert np.array_equal(again.features_map, study.features_map)
    assert again.maps == study.maps


def test_windows_that_are_all_the_same_lie_in_one_place(features):
    same = np.repeat(features[0][:1], 200, axis=0)
    study = study_components(same, fit_projection(features[0], 3), np.zeros(200, np.int64))
    assert not study.features_map.any()
    assert not study.points_map.any()
    assert study.kept.same_cluster == (1.0, 1.0)


def test_overlap_is_jaccards():
    random = np.random.default_rng(1)
    first, second = (np.stack([random.permutation(9)[:4] for _ in range(50)]) for _ in range(2))
    expected = [len({*a} & {*b}) / len({*a} | {*b}) for a, b in zip(first, second, strict=True)]
    np.testing.assert_allclose(overlap(first, second), expected, rtol=1e-6)


def test_a_space_agrees_with_itself_and_with_a_shuffled_one_by_chance(features):
    rows, clusters = features
    itself = agreement_of(rows, 3 * rows + 1, clusters, 10)
    assert (itself.trustworthiness, itself.neighbour_overlap) == (1.0, 1.0)
    shuffled = agreement_of(rows, np.random.default_rng(2).permutation(rows), clusters, 10)
    assert shuffled.neighbour_overlap == pytest.approx(shuffled.overlap_by_chance, abs=0.01)
    assert shuffled.trustworthiness < 0.6
    assert shuffled.same_cluster[1] == pytest.approx(np.square(np.bincount(clusters) / 240).sum(), abs=0.05)


def test_a_row_is_no_neighbour_of_itself_even_beside_its_equals():
    rows = np.repeat(np.arange(4, dtype=np.float32), 3)[:, None]
    assert all(row not in found for row, found in enumerate(nearest_rows(rows, 2)))


def test_averages_are_the_clusters_means():
    windows = np.random.default_rng(3).uniform(size=(6, 128, 128)).astype(np.float16)
    found = average_windows(windows, np.array([7, 2, 7, 7, 2, 7]))
    assert list(found) == [2, 7]
    np.testing.assert_allclose(found[2], (windows[1].astype(np.float64) + windows[4]) / 2, rtol=1e-6)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"features": np.zeros((20, 5), np.float32)}, "features of shape [20, 5], needs [n, 12]"),
        ({"most": 8}, "components of 8 windows, needs at least 16"),
        ({"clusters": np.zeros(3, np.int64)}, "clusters of shape [3], needs [240]"),
        ({"features": np.full((240, 12), np.inf, np.float32)}, "features hold NaN or infinity"),
    ],
)
def test_what_cannot_be_studied_is_refused(features, change, message):
    asked = {"features": features[0], "projection": fit_projection(features[0], 3), "clusters": features[1]}
    with pytest.raises(BadInput) as refused:
        study_components(**(asked | change))
    assert str(refused.value) == message


def test_the_figure_shows_every_cluster_on_both_maps(study):
    averages = {cluster: np.full((128, 128), cluster / 4, np.float32) for cluster in range(CLUSTERS)}
    figure = draw_components(study, averages)
    variance, *maps = figure.axes
    np.testing.assert_allclose(variance.lines[0].get_ydata(), study.cumulative_variance)
    for axes, places in zip(maps, (study.features_map, study.points_map), strict=True):
        assert {text.get_text() for text in axes.texts} == {str(cluster) for cluster in range(CLUSTERS)}
        assert sum(isinstance(artist, AnnotationBbox) for artist in axes.artists) == CLUSTERS
        drawn = np.concatenate([dots.get_offsets() for dots in axes.collections])
        np.testing.assert_allclose(np.sort(drawn, axis=0), np.sort(places, axis=0), rtol=1e-6)
    assert looks_opaque(figure)


def test_attributions_are_red_for_and_blue_against():
    windows = np.full((3, 128, 128), 0.5, np.float32)
    maps = np.zeros((3, 128, 128), np.float32)
    maps[:2, 10:50, :], maps[:2, 60:100, :] = 2.0, -1.0
    figure = draw_attributions(windows, maps, ["one", "two", "nothing"])
    images = [axes.images[0] for axes in figure.get_axes() if axes.images]
    assert len(images) == 6
    red, blue, white = (images[1].to_rgba([images[1].get_array()[row, 0]])[0] for row in (20, 80, 0))
    assert red[0] > 2 * red[2]
    assert blue[2] > blue[0]
    assert min(white[:3]) > 0.95
    assert images[0].get_array().min() == images[0].get_array().max() == 15.0  # dB above the floor
    assert looks_opaque(figure)


def test_figures_of_unlike_arrays_are_refused():
    with pytest.raises(BadInput, match=r"windows \[1, 128, 128\], maps \[2, 128, 128\] and 1 titles"):
        draw_attributions(np.zeros((1, 128, 128)), np.zeros((2, 128, 128)), ["one"])


def looks_opaque(figure) -> bool:
    """Drawn whole, with a white ground of its own."""
    canvas = figure.canvas
    assert isinstance(canvas, FigureCanvasAgg)
    canvas.draw()
    return tuple(np.asarray(canvas.buffer_rgba())[0, 0]) == (255, 255, 255, 255)
