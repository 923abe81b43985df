"""The study of a recording's clusters, on bands whose clusters are known."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from bandwatch.explain.bisector_tree import BisectorTree
from bandwatch.explain.cluster_study import STEPS, study_clusters
from bandwatch.explain.leaf_changes import changed_share
from bandwatch.explain.shallow_tree import ShallowTree
from bandwatch.explain.study_trees import held_out_fidelity
from bandwatch.models.band_fitting import fit_band_model
from bandwatch.models.bundle import Bundle, shipped_bundle
from bandwatch.models.bundle_training import geometry_of
from bandwatch.models.evaluated_windows import gather_evaluated
from bandwatch.pipeline.errors import BadInput
from bandwatch.pipeline.replay import open_recording
from bandwatch.tests.recorded import write_recording


@pytest.fixture(scope="module")
def bundle():
    return Bundle.load(shipped_bundle(), device="cpu", threads=1)


@pytest.fixture(scope="module")
def band(tmp_path_factory):
    """Sixteen windows of one segment, a carrier and stripes by turns: half a second a row, 1 kHz a bin."""
    power_db = np.random.default_rng(0).normal(-100, 1, (128 * 16, 128)).astype(np.float32)
    for first in range(0, len(power_db), 256):
        power_db[first : first + 128, 60:64] += 20
        power_db[first + 128 : first + 256 : 16] += 15
    recording = open_recording(write_recording(tmp_path_factory.mktemp("band") / "band.npy", power_db))
    return gather_evaluated([recording], most=64, stride_rows=128), geometry_of(recording)


@pytest.fixture(scope="module")
def study(band, bundle):
    return study_clusters(*band, 0.5, bundle)


def test_each_cluster_is_told_by_what_its_windows_show(study):
    assert [cluster.portrait.windows for cluster in study.clusters] == [8, 8]
    carrier = study.assigned.clusters[0]
    assert study.assigned.clusters.tolist() == [carrier, 1 - carrier] * 8
    told = {cluster.number: cluster for cluster in study.clusters}
    assert told[carrier].words.sentence.startswith("A steady carrier")
    assert told[1 - carrier].words.sentence.startswith("Stripes across the whole window")
    # Where the encoder looks: more of the positive attribution than chance is on the carrier's four bins.
    positive = told[carrier].attribution.clip(min=0)
    assert positive[:, 58:66].sum() > 0.5 * positive.sum()
    assert study.model_from == "these windows"


def test_a_tree_of_two_plain_clusters_is_one_cut_that_nothing_changes(study):
    trees = study.trees
    for fidelity in (trees.bisector_fidelity, trees.shallow_fidelity, trees.measure_fidelity):
        assert (fidelity.training, fidelity.leaves, fidelity.depth) == (1, 2, 1)
        assert fidelity.largest_share == 0.5
    assert trees.bisector_fidelity.held_out == 1
    # A cut along a component lies at the outermost window of its half: the other may reach a little farther.
    assert trees.shallow_fidelity.held_out >= 0.8
    assert (study.changes.other_seed, study.changes.other_windows) == (0, 0)
    assert [trees.path(number) for number in (0, 1)] == [
        "more like cluster 0 than cluster 1",
        "more like cluster 1 than cluster 0",
    ]


def test_examples_are_the_nearest_the_middle_and_the_farthest_and_meet_their_rule(study):
    for cluster in study.clusters:
        own = np.flatnonzero(study.assigned.clusters == cluster.number)
        away = study.assigned.distances[own]
        order = own[np.argsort(away)]
        assert [example.index for example in cluster.examples] == order[[0, 3, 7]].tolist()
        for example in cluster.examples:
            assert f"It is cluster {cluster.number} because it is more like" in example.words.because
            assert example.attribution.shape == (128, 128)
        assert cluster.portrait.typical_start_ns == study.assigned.windows.start_ns[order[0]]


def test_the_same_seed_gives_the_same_study_and_steps_are_told(band, bundle, study):
    steps = []
    again = study_clusters(*band, 0.5, bundle, on_step=steps.append)
    assert tuple(steps) == STEPS
    assert again.model.name == study.model.name
    assert np.array_equal(again.components.points_map, study.components.points_map)
    for one, other in zip(again.clusters, study.clusters, strict=True):
        assert one.attribution.tobytes() == other.attribution.tobytes()
        assert one.words == other.words


def test_the_bundles_model_is_taken_where_it_was_measured_alike_and_only_there(band, bundle):
    windows, geometry = band
    features = np.concatenate([bundle.embed(batch) for batch in windows.batches()])
    # Two clusters, and a third far away that no window here is of.
    own = fit_band_model(np.concatenate([features, features[:8] + 9]), geometry, clusters=3, seed=5)
    elsewhere = fit_band_model(
        features, replace(geometry, first_hz=geometry.first_hz + 10e3), clusters=2, seed=5
    )
    for model, is_taken in ((own, True), (elsewhere, False)):
        holder = SimpleNamespace(
            embed=bundle.embed,
            manifest=bundle.manifest,
            part=bundle.part,
            band_model=lambda node, band, model=model: model,
        )
        found = study_clusters(*band, 0.5, holder)
        assert (found.model_from == "bundle") == is_taken
        assert (found.model is model) == is_taken
        # The cluster without a window here has no leaf and no section.
        assert found.trees.bisector.n_leaves_ == len(found.clusters) == 2


def test_the_agents_model_goes_before_the_bundles_where_it_was_measured_alike(band, bundle, study):
    _, geometry = band
    agents = fit_band_model(
        study.assigned.windows.values.reshape(16, -1)[:, :128].astype(np.float32), geometry
    )
    assert study_clusters(*band, 0.5, bundle, agents_model=agents).model is agents
    retuned = replace(agents, geometry=replace(geometry, first_hz=geometry.first_hz + 10e3))
    assert study_clusters(*band, 0.5, bundle, agents_model=retuned).model_from == "these windows"


def test_held_out_windows_of_a_cluster_that_the_other_half_never_saw_are_wrong():
    centres = np.array([[0.0], [10.0], [20.0]], dtype=np.float32)
    numbers = np.array([4, 7, 9])
    clusters = np.array([4, 4, 7, 7, 9, 9, 4, 4, 7, 7])
    points = np.array([[0], [1], [10], [11], [20], [21], [0], [1], [10], [11]], dtype=np.float32)
    is_first = np.arange(10) < 6
    # The second half's tree knows no 9: two of ten are wrong.
    for kind in (BisectorTree, ShallowTree):
        assert held_out_fidelity(kind, points, clusters, centres, numbers, is_first) == pytest.approx(0.8)


@pytest.mark.parametrize(
    ("before", "after", "share"),
    [
        ([0, 0, 1, 1], [1, 1, 0, 0], 0),  # only the numbers changed
        ([0, 0, 1, 1], [0, 0, 0, 1], 0.25),
        ([0, 0, 0, 0], [0, 1, 2, 2], 0.5),  # one leaf became three: its windows keep the largest
        ([0, 1, 2, 0], [0, 0, 0, 0], 0.5),
    ],
)
def test_windows_change_their_leaf_whatever_leaves_are_called(before, after, share):
    assert changed_share(np.array(before), np.array(after)) == share


def test_too_few_windows_are_refused(band, bundle):
    windows, geometry = band
    recording = open_recording(windows.paths[0])
    few = gather_evaluated([recording], most=15, stride_rows=128)
    with pytest.raises(
        BadInput, match=r"15 windows, a report needs at least 16; a longer recording or a smaller stride"
    ):
        study_clusters(few, geometry, 0.5, bundle)
