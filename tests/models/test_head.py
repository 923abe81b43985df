"""The head names the final clusters by their numbers, lies in the bundle, and is refused if it is not one."""

import dataclasses
import hashlib

import numpy as np
import pytest
import torch
import yaml
from safetensors.numpy import load_file, save_file

from bandwatch.models.bundle import Bundle, write_bundle
from bandwatch.models.bundle_forecasts import add_forecasts
from bandwatch.models.encoder import Encoder, EncoderConfig, weights_of
from bandwatch.models.head import Head
from bandwatch.models.head_fitting import fit_head
from bandwatch.models.pseudo_labels import cluster
from bandwatch.models.training_curves import Epoch, TrainingCurves
from bandwatch.pipeline.errors import BadInput

WIDTH, KINDS = 2, 5
CURVES = TrainingCurves(2, [Epoch(0, 1.5, 0.25, True, None, None, 0.75), Epoch(1, 0.5, 0.75, False, None)])


@pytest.fixture(scope="module")
def features():
    """Five clouds in 16 features, one of which never changes."""
    random = np.random.default_rng(0)
    places = 4 * random.normal(size=(KINDS, 8 * WIDTH))
    found = places[random.integers(KINDS, size=300)] + random.normal(size=(300, 8 * WIDTH))
    found[:, 3] = 7
    return found.astype(np.float32)


@pytest.fixture(scope="module")
def clustering(features):
    return cluster(features, clusters=KINDS, components=4, whiten=True, seed=0)


@pytest.fixture(scope="module")
def head(features, clustering):
    nothing = np.zeros((KINDS, 8 * WIDTH), np.float32)
    return fit_head(features, clustering, nothing, nothing[:, 0]).head


@pytest.fixture
def path(tmp_path, head):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        weights = weights_of(Encoder(EncoderConfig(WIDTH)))
    write_bundle(tmp_path / "bundle", weights, WIDTH, of_the_training=[head, CURVES])
    return tmp_path / "bundle"


def nearest_centre_layer(clustering) -> tuple[np.ndarray, np.ndarray]:
    """The linear layer that k-means itself is: |p - c|^2 is least where 2 p.c - |c|^2 is most."""
    projection, centres = clustering.projection, clustering.centres
    weight = 2 * (centres / projection.scale) @ projection.components
    return weight, -np.square(centres).sum(axis=1) - weight @ projection.mean


def test_a_layer_with_its_rows_in_another_order_is_put_in_order(features, clustering):
    weight, bias = nearest_centre_layer(clustering)
    order = np.array([3, 0, 4, 1, 2])
    fit = fit_head(features, clustering, weight[order], bias[order])
    assert fit.matched == 1
    assert fit.agreement == fit.worst == 1


@pytest.mark.parametrize("rows", [KINDS, KINDS + 3])
def test_a_layer_that_says_nothing_learns_every_cluster(features, clustering, rows):
    fit = fit_head(features, clustering, np.zeros((rows, 8 * WIDTH), np.float32), np.zeros(rows, np.float32))
    assert fit.head.cluster_count == KINDS
    assert fit.matched < 0.5
    assert fit.worst > 0.95


def test_rows_have_no_mean_so_each_says_what_sets_its_cluster_apart(head):
    np.testing.assert_allclose(head.weight.sum(axis=0), 0, atol=1e-4)
    assert np.all(head.weight[:, 3] == 0)  # of the feature that never changes


def test_a_bundle_gives_back_head_and_curves(path, head, features):
    bundle = Bundle.load(path, device="cpu")
    found = bundle.head()
    assert np.array_equal(found.scores(features), head.scores(features))
    assert np.array_equal(found.nearest(features), head.nearest(features))
    assert bundle.curves() == CURVES


def test_a_bundle_with_a_forecaster_more_keeps_them(path, tmp_path, head, features):
    add_forecasts(Bundle.load(path, device="cpu"), tmp_path / "new", {})
    bundle = Bundle.load(tmp_path / "new", device="cpu")
    assert np.array_equal(bundle.head().clusters(features), head.clusters(features))
    assert bundle.curves() == CURVES


def test_what_the_manifest_does_not_name_is_not_there(path):
    manifest = yaml.safe_load((path / "manifest.yaml").read_text())
    for part in ("head.safetensors", "curves.json"):
        del manifest["parts"][part]
    (path / "manifest.yaml").write_text(yaml.safe_dump(manifest))
    bundle = Bundle.load(path, device="cpu")
    assert bundle.head() is None
    assert bundle.curves() is None


def test_a_head_replaced_after_loading_is_not_used(path, head):
    bundle = Bundle.load(path, device="cpu")
    dataclasses.replace(head, bias=head.bias + 1).save(path)
    with pytest.raises(BadInput, match=r"part head\.safetensors has SHA-256 .*, its manifest says"):
        bundle.head()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"weight": None}, "array 'weight' has shape [], needs two dimensions"),
        ({"weight": np.zeros(16, np.float32)}, "array 'weight' has shape [16], needs two dimensions"),
        (
            {"weight": np.zeros((5, 8), np.float32)},
            "array 'weight' has shape [5, 8], needs [5, 16]",
        ),
        ({"centres": np.zeros((4, 4), np.float32)}, "array 'centres' has shape [4, 4], needs [5, 4]"),
        ({"bias": np.full(5, np.nan, np.float32)}, "array 'bias' holds NaN or infinity"),
        ({"pca.scale": np.zeros(4, np.float32)}, "array 'pca.scale' holds 0, needs numbers above 0"),
        ({"pca.mean": None}, "lacks array 'pca.mean'"),
        ({"more": np.zeros(1, np.float32)}, "holds an unknown array 'more'"),
    ],
)
def test_a_head_that_is_none_is_refused(tmp_path, head, change, message):
    head.save(tmp_path)
    file = tmp_path / "head.safetensors"
    arrays = load_file(file) | change
    save_file({name: array for name, array in arrays.items() if array is not None}, file)
    with pytest.raises(BadInput) as refused:
        Head.load(file, 8 * WIDTH)
    assert str(refused.value) == f"{file}: {message}"


def test_the_same_head_is_the_same_file(tmp_path, features, clustering):
    digests = set()
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        weight, bias = nearest_centre_layer(clustering)
        fit_head(features, clustering, weight, bias).head.save(tmp_path / name)
        digests.add(hashlib.sha256((tmp_path / name / "head.safetensors").read_bytes()).hexdigest())
    assert len(digests) == 1
