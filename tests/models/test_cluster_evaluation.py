"""What an evaluation says of windows whose groups are known: the right numbers in the right places."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest

from bandwatch.models.cluster_count import COUNTS, count_curve, recommendation, recommended
from bandwatch.models.cluster_evaluation import EvaluationConfig, evaluate_clusters, steps
from bandwatch.models.evaluated_windows import EvaluatedWindows
from bandwatch.models.representations import Representation, comparable, pixels, together
from bandwatch.models.supervised import clustered_ceiling, predicted_ceiling, probabilities_of_halves
from bandwatch.models.window_features import FEATURES
from bandwatch.models.window_truth import Truth
from bandwatch.pipeline.errors import BadInput

COUNT, KINDS = 256, 4
KIND = np.arange(COUNT) % KINDS
CONFIG = EvaluationConfig(clusters=KINDS, components=6, seeds=2, counts=(2, 4, 8), permutations=20)


def windows(truths=True, unknown=0):
    """256 windows of four kinds by turns, two segments, one recording; the first few of no known kind."""
    values = np.random.default_rng(0).random((COUNT, 128, 128), dtype=np.float32).astype(np.float16) / 4
    for kind in range(KINDS):
        values[kind == KIND, :, 20 * kind : 20 * kind + 10] += 0.5
    known = [Truth(frozenset({f"kind {kind}"}), f"kind {kind}") for kind in KIND]
    known[:unknown] = [None] * unknown
    return EvaluatedWindows(
        values=values,
        start_ns=np.arange(COUNT, dtype=np.int64) // 2,
        segment=np.arange(COUNT, dtype=np.int64) // (COUNT // 2),
        recording=np.zeros(COUNT, dtype=np.int64),
        paths=("band.npy",),
        truths=tuple(known) if truths else None,
        given=COUNT,
    )


def apart(_seed=0):
    """Features in which the kinds lie far apart, in 4 directions of 8, and noise in all."""
    noise = np.random.default_rng(1).normal(0, 1, (COUNT, 8))
    return (noise + 30 * np.eye(8)[KIND]).astype(np.float32)


def noise(seed=0):
    return np.random.default_rng(seed + 5).normal(0, 1, (COUNT, 8)).astype(np.float32)


REPRESENTATIONS = [
    Representation("apart", "", apart, whiten=False),
    Representation("noise", "", noise, seeded=True),
]


def test_what_is_apart_is_found_and_noise_is_chance():
    said = []
    found = evaluate_clusters(windows(), REPRESENTATIONS, "apart", CONFIG, on_step=said.append)
    assert len(said) == steps(REPRESENTATIONS, CONFIG) == 5
    good, bad = found.models["apart"], found.models["noise"]
    for name in ("nmi", "ari", "ami", "purity", "knn_accuracy", "stability_seeds", "stability_halves"):
        assert good[name] == pytest.approx(1), name
    assert good["ceiling"]["nmi"] == good["ceiling"]["share"] == pytest.approx(1)
    assert good["ceiling_clustered"]["nmi"] == good["ceiling_clustered"]["share"] == pytest.approx(1)
    assert good["ceiling_mixed"]["accuracy"] == 1
    assert good["single"]["nmi"] == pytest.approx(1)
    assert good["nmi_segment"] < 0.01
    assert good["pca"]["components_85"] == KINDS - 1  # four points span three dimensions
    assert abs(bad["nmi"] - bad["chance"]["nmi"]) < 0.03
    assert abs(bad["ami"]) < 0.03
    assert bad["knn_accuracy"] == pytest.approx(1 / KINDS, abs=0.1)
    assert bad["ceiling"]["accuracy"] == pytest.approx(1 / KINDS, abs=0.1)
    assert found.models["supervised"]["nmi"] == good["ceiling_clustered"]["nmi"]
    assert found.models["supervised"]["predicted"]["accuracy"] == good["ceiling"]["accuracy"] == 1
    assert found.data["truths"] == {f"kind {kind}": COUNT // KINDS for kind in range(KINDS)}
    assert found.data["largest_share"] == 1 / KINDS
    # Clusters are numbered as they like, but there are as many and each is one kind.
    assert (
        len({(kind, label) for kind, label in zip(KIND.tolist(), found.labels.tolist(), strict=True)})
        == KINDS
    )
    assert found.choice_of_k["recommended"] == KINDS


def test_the_same_seed_gives_the_same_record_and_it_is_json():
    records = [
        json.dumps(evaluate_clusters(windows(), REPRESENTATIONS, "noise", CONFIG).record(), allow_nan=False)
        for _ in range(2)
    ]
    assert records[0] == records[1]


def test_without_a_truth_nothing_is_said_of_one():
    found = evaluate_clusters(windows(truths=False), REPRESENTATIONS, "apart", CONFIG)
    assert found.models["apart"].keys() == {
        *("silhouette", "stability_halves", "stability_seeds", "nmi_segment", "nmi_recording"),
        *("clusters", "pca"),
    }
    assert found.models["apart"]["nmi_recording"] is None  # there is but one
    assert found.models["apart"]["silhouette"] > 0.8
    assert "supervised" not in found.models
    assert "truths" not in found.data


def test_windows_without_a_truth_are_left_out_of_it():
    found = evaluate_clusters(windows(unknown=100), REPRESENTATIONS[:1], "apart", CONFIG)
    assert found.data["windows_with_truth"] == COUNT - 100
    assert found.models["apart"]["nmi"] == pytest.approx(1)
    assert len(found.labels) == COUNT
    with pytest.raises(BadInput, match="none of the 256 windows has a label or a truth"):
        evaluate_clusters(windows(unknown=COUNT), REPRESENTATIONS, "apart", CONFIG)


def test_curves_peak_at_the_number_of_groups():
    is_first = np.arange(COUNT) % 8 < 4
    curve = count_curve(apart(), is_first, KIND, components=6, whiten=False, seed=0, counts=COUNTS[:8])
    assert [each.clusters for each in curve] == [4, 6, 8, 10, 12, 14, 16]  # 18 would be under 8 windows each
    assert recommended(curve).clusters == 4
    assert max(curve, key=lambda each: each.ami).clusters == 4
    assert [each.inertia for each in curve] == sorted((each.inertia for each in curve), reverse=True)
    words = recommendation(curve, 16)
    assert words.startswith(
        "4 clusters: fitted on the other half of the windows they come back (stability 1.00)"
    )
    assert "The default, 16, has" in words
    assert recommended([]) is None
    assert recommendation([], 24).startswith("No number of clusters can be recommended")


def test_a_ceiling_never_asks_what_it_learnt():
    # In either half the one feature tells the kinds apart perfectly, but by opposite rules.
    features = np.array([[-1.0], [1.0]] * 20 + [[1.0], [-1.0]] * 20, dtype=np.float32)
    truth = np.tile([0, 1], 40)
    is_first = np.arange(80) < 40
    probable = probabilities_of_halves(features, truth, is_first)
    assert (probable.argmax(axis=1) == 1 - truth).all()
    assert probable.sum(axis=1) == pytest.approx(1)
    found = predicted_ceiling(truth, probable)
    assert found["accuracy"] == 0
    assert found["nmi"] == pytest.approx(1)  # names are nothing to a clustering: accuracy tells
    first_alike = probabilities_of_halves(features, np.where(is_first, 0, truth), is_first)
    assert (first_alike[~is_first].argmax(axis=1) == 0).all()


def test_more_clusters_than_kinds_cost_a_clustered_ceiling():
    # Four values of the one feature, of which two are each kind: four clusters find them all.
    features = np.tile(np.array([[-3.0], [-1.0], [1.0], [3.0]], dtype=np.float32), (20, 1))
    truth = np.tile([0, 0, 1, 1], 20)
    probable = probabilities_of_halves(features, truth, np.arange(80) < 40)
    assert predicted_ceiling(truth, probable)["nmi"] == pytest.approx(1)
    two, four = (
        clustered_ceiling(truth, probable, clusters=count, components=20, seed=0) for count in (2, 4)
    )
    assert two["nmi"] == pytest.approx(1)
    assert four["nmi"] == pytest.approx(2 / 3)  # 2 I / (H + H'): 2 * 1 / (1 + 2), in bits
    assert four["purity"] == 1


def test_components_of_pixels_are_those_of_their_covariance():
    some = replace(windows(), values=windows().values[:32])
    found = pixels(some)
    flat = some.values.reshape(32, -1).astype(np.float64)
    singular = np.linalg.svd(flat - flat.mean(axis=0), compute_uv=False)
    assert found.shape == (32, 31)
    assert np.linalg.norm(found, axis=0) == pytest.approx(singular[:31], rel=1e-3)


def test_hand_made_features_are_comparable_and_joined_as_equals():
    random = np.random.default_rng(0)
    raw = random.lognormal(0, 3, (200, len(FEATURES))).astype(np.float32)
    raw[:, 3] = 7
    found = comparable(raw)
    assert (np.abs(found) <= 5).all()
    assert (found[:, 3] == 0).all()
    both = together(1000 * found, noise()[:200] / 1000)
    parts = (both[:, : found.shape[1]], both[:, found.shape[1] :])
    assert [part.var(axis=0).sum() for part in parts] == pytest.approx([1, 1], rel=1e-3)
    assert math.isclose(float(both.mean()), 0, abs_tol=1e-4)
