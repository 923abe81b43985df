"""A band model assigns as scikit-learn would, says how novel, and refuses what is not its own."""

import dataclasses

import numpy as np
import pytest
import yaml
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA

from bandwatch.models.activity import BandModel, Geometry
from bandwatch.models.assigning import Assigning
from bandwatch.models.band_fitting import fit_band_model
from bandwatch.models.clustering import Projection, fit_centres, fit_projection, nearest
from bandwatch.models.novelty import Usual, fit_usual
from bandwatch.models.tensor_file import write_tensors
from bandwatch.pipeline.errors import BadInput

GEOMETRY = Geometry(
    node="node", band="band", unit="dBm/bin", bins=1024, first_hz=868.2e6, bin_hz=187.5, segments=8
)


WITHOUT_FIRST_HZ = {name: value for name, value in dataclasses.asdict(GEOMETRY).items() if name != "first_hz"}


def blobs(count: int, dimensions: int = 32, kinds: int = 5, seed: int = 0) -> np.ndarray:
    """Features around a few centres."""
    random = np.random.default_rng(seed)
    centres = np.random.default_rng(99).normal(0, 3, (kinds, dimensions))
    return (centres[random.integers(kinds, size=count)] + random.normal(0, 0.5, (count, dimensions))).astype(
        np.float32
    )


@pytest.fixture
def model():
    return fit_band_model(blobs(400), GEOMETRY)


@pytest.mark.parametrize("whiten", [True, False])
def test_projection_is_scikit_learns(whiten):
    features = blobs(300)
    ours = fit_projection(features, 8, whiten=whiten)
    theirs = PCA(8, whiten=whiten, svd_solver="full").fit(features.astype(np.float64))
    np.testing.assert_allclose(
        np.abs(ours.points(features)), np.abs(theirs.transform(features)), atol=1e-3, rtol=1e-3
    )
    np.testing.assert_allclose(ours.variance_ratio, theirs.explained_variance_ratio_, rtol=1e-4)


def test_whitened_points_have_unit_variance_each():
    features = blobs(300)
    points = fit_projection(features, 8, whiten=True).points(features)
    np.testing.assert_allclose(points.std(axis=0, ddof=1), 1, rtol=1e-4)


def test_all_components_lead_back_to_the_features():
    features = blobs(100, dimensions=6)
    projection = fit_projection(features, 6)
    np.testing.assert_allclose(projection.features(projection.points(features)), features, atol=1e-4)


def test_features_that_never_change_have_one_component_and_no_blown_up_scale():
    projection = fit_projection(np.full((20, 6), 0.3, np.float32), 5)
    assert projection.component_count == 1
    assert np.isfinite(projection.points(np.full((2, 6), 0.3, np.float32))).all()


def test_dead_features_make_no_components():
    features = blobs(200, dimensions=8)
    features[:, 3:] = 0
    assert fit_projection(features, 8).component_count == 3


def test_nearest_gives_the_labels_and_distances_of_scikit_learn():
    points = blobs(500, dimensions=20)
    kmeans = KMeans(24, n_init=1, random_state=0).fit(points)
    labels, distances = nearest(points, kmeans.cluster_centers_.astype(np.float32))
    assert np.array_equal(labels, kmeans.predict(points))
    np.testing.assert_allclose(distances, kmeans.transform(points).min(axis=1), rtol=1e-4)


def test_there_are_no_more_centres_than_distinct_points():
    points = np.repeat(np.eye(3, dtype=np.float32), 5, axis=0)
    centres, labels = fit_centres(points, 10, seed=0)
    assert centres.shape == (3, 3)
    assert len(np.unique(labels)) == 3


def test_assignment_does_not_depend_on_what_else_is_assigned(model):
    features = blobs(37, seed=5)
    together = model.assign(features)
    singly = [model.assign(features[i : i + 1]) for i in range(len(features))]
    for part, of_one in zip(together, zip(*singly, strict=True), strict=True):
        assert np.array_equal(part, np.concatenate(of_one))
    assert [part.dtype for part in together] == [np.int64, np.float32, np.float32]


def test_no_windows_have_no_clusters(model):
    clusters, distances, novelty = model.assign(np.zeros((0, 32), np.float32))
    assert clusters.shape == distances.shape == novelty.shape == (0,)


def test_clusters_go_by_their_numbers(model):
    renumbered = dataclasses.replace(model, clusters=model.clusters + 100)
    features = blobs(20, seed=2)
    assert np.array_equal(renumbered.assign(features)[0], model.assign(features)[0] + 100)


def of_one_dimension(**changes) -> BandModel:
    """Features [n, 1], one cluster at 0 whose standard deviation is 2."""
    one = np.ones((1, 1), np.float32)
    usual = {
        "components": one,
        "middles": 0 * one,
        "whitening": one[None] / 2,
        "outside": np.zeros(1, np.float32),
        "calibration": np.array([1, 2, 3], np.float32),
        "disjoint": 3,
    }
    return BandModel(
        name="hand-made",
        geometry=GEOMETRY,
        windows=4,
        projection=Projection(0 * one[0], one, one[0], one[0]),
        centres=0 * one,
        clusters=np.zeros(1, np.int64),
        numbers_used=1,
        farthest=1.0,
        usual=Usual(**(usual | changes)),
    )


def test_novelty_is_one_minus_the_conformal_p():
    _, distances, novelty = of_one_dimension().assign(np.array([[0], [-2], [3], [6], [18]], np.float32))
    assert distances.tolist() == [0, 2, 3, 6, 18]
    # In standard deviations 0, 1, 1.5, 3, 9. Of the three calibration distances 3, 3, 2, 1, 0 are not below;
    # one is added, of four.
    np.testing.assert_allclose(novelty, 1 - np.array([4, 4, 3, 2, 1]) / 4)


def test_windows_that_share_rows_calibrate_as_one():
    """Three distances of windows of the same rows are worth one: no more can be said than with one."""
    novelty = of_one_dimension(disjoint=1).assign(np.array([[0], [3], [18]], np.float32))[2]
    np.testing.assert_allclose(novelty, 1 - np.array([2, 1 + 2 / 3, 1]) / 2)


def test_the_distance_is_mahalanobis_within_the_cluster_and_counts_what_is_outside():
    random = np.random.default_rng(0)
    one, other = (random.normal(0, shape, (900, 3)) for shape in ([1, 4, 0.1], [4, 1, 0.1]))
    heard = np.concatenate([one, other + 40])
    labels = np.repeat([0, 1], 900)
    usual = fit_usual(heard.astype(np.float32), labels)
    projection = fit_projection(heard.astype(np.float32), 3, whiten=False)
    centres = projection.points(np.array([[0, 0, 0], [40, 40, 40]], np.float32))
    rows = [*Assigning(projection, centres, usual)(np.array([[4, 0, 0], [44, 40, 40]], np.float32))]
    assert [index for index, _, _ in rows] == [0, 1]
    # Variances 1 and 16, both drawn towards 8.5, their mean, as if 1,000 windows more than their 900 had it.
    assert rows[0][2] == pytest.approx(4 / np.sqrt((900 * 1 + 1000 * 8.5) / 1900), rel=0.05)
    assert rows[1][2] == pytest.approx(4 / np.sqrt((900 * 16 + 1000 * 8.5) / 1900), rel=0.05)


def test_usual_windows_are_novel_as_often_as_they_should_be():
    """Independent windows, as many clusters as there are: nothing but the calibration decides."""
    _, _, novelty = fit_band_model(blobs(6_000), GEOMETRY, clusters=5, stride_rows=128).assign(
        blobs(6000, seed=8)
    )
    for level, margin in ((0.5, 0.04), (0.8, 0.03), (0.95, 0.015)):
        assert (novelty > level).mean() == pytest.approx(1 - level, abs=margin)


def test_a_kind_never_seen_is_novel_though_it_lies_between_those_seen():
    """Long clusters side by side: a point between two is nearer to a centre than most usual ones are."""
    random = np.random.default_rng(0)
    shape = np.array([5] + [0.2] * 7)
    side = np.eye(8)[1] * 3

    def of(sides: np.ndarray) -> np.ndarray:
        return (random.normal(0, shape, (len(sides), 8)) + sides[:, None] * side).astype(np.float32)

    # Whitened, k-means parts the two; otherwise it would cut across both where they are longest.
    heard = of(random.integers(2, size=3000) * 2.0)
    model = fit_band_model(heard, GEOMETRY, clusters=2, whiten=True, stride_rows=128)
    usual, new = of(random.integers(2, size=2000) * 2.0), of(np.ones(2000))
    assert (model.assign(usual)[2] > 0.95).mean() == pytest.approx(0.05, abs=0.02)
    assert (model.assign(new)[2] > 0.95).mean() > 0.9


def test_what_is_faint_and_always_the_same_is_novel_when_it_changes():
    """In a direction with a millionth of the variance, outside the 16 components that are kept."""
    random = np.random.default_rng(0)
    shape = np.array([3.0] * 40 + [0.003])
    heard = (random.normal(0, 1, (3000, 41)) * shape).astype(np.float32)
    changed = heard[:200] + 40 * np.eye(41, dtype=np.float32)[-1]
    model = fit_band_model(heard, GEOMETRY, clusters=2, stride_rows=128)
    assert (model.assign(changed)[2] > 0.95).all()


def test_an_unusual_window_is_novel(model):
    _, _, novelty = model.assign(blobs(10, seed=3) + 20)
    assert (novelty > 0.98).all()


@pytest.mark.parametrize(
    ("features", "message"),
    [
        (np.zeros((2, 31), np.float32), r"features of shape \[2, 31\], needs \[n, 32\]"),
        (np.zeros(32, np.float32), r"features of shape \[32\], needs \[n, 32\]"),
        (np.full((1, 32), np.nan, np.float32), "features hold NaN or infinity"),
        (np.full((1, 32), np.inf, np.float32), "features hold NaN or infinity"),
    ],
)
def test_features_it_cannot_use_are_refused(model, features, message):
    with pytest.raises(BadInput, match=message):
        model.assign(features)


@pytest.mark.parametrize(
    "change",
    [
        {"bins": 512},
        {"bin_hz": 187.6},
        {"unit": "dBFS/bin"},
        {"segments": 4},
        {"first_hz": 868.2e6 + 94},
        {"first_hz": 868.2e6 - 94},
        {"first_hz": 433.0e6},
    ],
)
def test_a_band_measured_otherwise_is_refused_by_name(model, change):
    other = dataclasses.replace(GEOMETRY, node="other", **change)
    with pytest.raises(BadInput) as refused:
        model.check(other)
    assert str(refused.value) == (
        "band model node/band was fitted on 1024 bins of 187.5 Hz from 868.2 MHz in dBm/bin, 8 segments; "
        f"other/band has {other}: fit it anew"
    )


def test_a_band_measured_alike_passes_whatever_it_is_called(model):
    model.check(dataclasses.replace(GEOMETRY, node="x", band="y", bin_hz=187.5 * (1 + 1e-8)))
    for off_hz in (-93, 93):
        model.check(dataclasses.replace(GEOMETRY, first_hz=868.2e6 + off_hz))


def test_a_retuned_band_is_refused_with_both_frequencies(model):
    with pytest.raises(BadInput, match=r"from 868\.2 MHz .* has .* from 868\.200094 MHz"):
        model.check(dataclasses.replace(GEOMETRY, first_hz=868.2e6 + 94))


class TestTheFile:
    def test_gives_back_the_model(self, model, tmp_path):
        model.save(tmp_path / "new" / "folder")
        read = BandModel.load(tmp_path / "new" / "folder")
        assert (read.name, read.geometry, read.windows) == (model.name, model.geometry, model.windows)
        assert read.numbers_used == model.numbers_used == 24
        features = blobs(50, seed=4)
        for ours, theirs in zip(model.assign(features), read.assign(features), strict=True):
            assert np.array_equal(ours, theirs)

    def test_gives_back_a_band_below_0_hz(self, tmp_path):
        geometry = dataclasses.replace(GEOMETRY, first_hz=-96e3)
        fit_band_model(blobs(100), geometry).save(tmp_path)
        assert BandModel.load(tmp_path).geometry == geometry

    @pytest.mark.parametrize("name", ["activity.yaml", "activity.safetensors"])
    def test_is_refused_if_half_of_it_is_missing(self, model, tmp_path, name):
        model.save(tmp_path)
        (tmp_path / name).unlink()
        with pytest.raises(BadInput, match=f"{name}: no such file"):
            BandModel.load(tmp_path)

    @pytest.mark.parametrize(
        "spoil", [lambda b: b[:-1], lambda b: b[:100], lambda b: b"", lambda b: b + b"x"]
    )
    def test_is_refused_if_spoilt(self, model, tmp_path, spoil):
        model.save(tmp_path)
        path = tmp_path / "activity.safetensors"
        path.write_bytes(spoil(path.read_bytes()))
        with pytest.raises(BadInput) as refused:
            BandModel.load(tmp_path)
        assert str(refused.value) == f"{path}: is not the file that activity.yaml was written for"

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("{", "not YAML"),
            ("\x80", "not YAML"),
            ("[1, 2]", "not a band model"),
            ("kind: forecast", "not a band model"),
            ("kind: activity\nversion: 2", "version 2, this program reads 3"),
            ("kind: activity\nversion: 3", "name is None, needs str"),
        ],
    )
    def test_facts_of_something_else_are_refused(self, model, tmp_path, text, message):
        model.save(tmp_path)
        (tmp_path / "activity.yaml").write_text(text, encoding="latin-1")
        with pytest.raises(BadInput) as refused:
            BandModel.load(tmp_path)
        assert str(refused.value) == f"{tmp_path / 'activity.yaml'}: {message}"

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"windows": 0}, "windows is 0, needs a number above 0"),
            ({"windows": True}, "windows is True, needs int"),
            ({"clusters": "7"}, "clusters is '7', needs int"),
            ({"geometry": {"node": "n"}}, "band is None, needs str"),
            ({"geometry": WITHOUT_FIRST_HZ}, "first_hz is None, needs float"),
            (
                {"geometry": dataclasses.asdict(GEOMETRY) | {"first_hz": float("nan")}},
                "first_hz is nan, needs a finite number",
            ),
            ({"numbers_used": 7}, "cluster number 23, but numbers_used is 7"),
            (
                {"geometry": dataclasses.asdict(GEOMETRY) | {"unit": "volts"}},
                "unit 'volts' is none of dBFS/bin",
            ),
            (
                {"geometry": dataclasses.asdict(GEOMETRY) | {"bin_hz": float("nan")}},
                "bin_hz is nan, needs a number above 0",
            ),
        ],
    )
    def test_facts_that_cannot_be_are_refused(self, model, tmp_path, change, message):
        model.save(tmp_path)
        self.rewrite_facts(tmp_path, change)
        with pytest.raises(BadInput, match=message):
            BandModel.load(tmp_path)

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"mean": np.zeros(3, np.float32)}, r"array 'mean' has shape \[3\], needs \[32\]"),
            ({"centres": None}, "lacks array 'centres'"),
            ({"clusters": None}, r"array 'clusters' is float64 \[0\], needs int64"),
            ({"usual_calibration": np.full(400, np.nan, np.float32)}, "array 'usual_calibration' holds NaN"),
            (
                {"usual_calibration": -np.arange(400, dtype=np.float32)},
                "'usual_calibration' is not ascending",
            ),
            ({"usual_outside": np.array([-1], np.float32)}, "'usual_outside' holds -1, needs at least 0"),
            ({"usual_whitening": None}, "lacks array 'usual_whitening'"),
            ({"scale": np.zeros(20, np.float32)}, "array 'scale' holds 0, needs numbers above 0"),
            ({"clusters": np.zeros(24, np.int64)}, "cluster numbers are not distinct, or negative"),
        ],
    )
    def test_arrays_that_cannot_be_are_refused(self, model, tmp_path, change, message):
        model.save(tmp_path)
        arrays = model.state()["arrays"]
        arrays = {name: array for name, array in (arrays | change).items() if array is not None}
        write_tensors(tmp_path / "activity.safetensors", arrays)
        self.rewrite_facts(tmp_path, {})
        with pytest.raises(BadInput, match=message):
            BandModel.load(tmp_path)

    @staticmethod
    def rewrite_facts(folder, change):
        import hashlib

        path = folder / "activity.yaml"
        sha256 = hashlib.sha256((folder / "activity.safetensors").read_bytes()).hexdigest()
        path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | {"sha256": sha256} | change))
