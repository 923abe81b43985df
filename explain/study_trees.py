"""The tree over components and the tree over measures of one band's windows, and how far each holds."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ..models.activity import BandModel
from ..models.cluster_figures import Bools
from ..models.evaluated_windows import EvaluatedWindows
from ..models.halves import first_half, stretches
from ..pipeline.frames import Float32, Int64
from .measure_tree import MeasureTree, TreeFidelity, tree_fidelity
from .shallow_tree import ShallowTree
from .typical import MeasuredWindows


@dataclass(frozen=True, slots=True, eq=False)
class StudyTrees:
    """Both trees of all windows. Centre i of `shallow` is cluster `shallow_clusters[i]`: those that have
    windows. `held_out` of either fidelity is NaN where all windows begin at one moment."""

    shallow: ShallowTree
    shallow_clusters: Int64
    shallow_fidelity: TreeFidelity
    measure: MeasureTree
    measure_fidelity: TreeFidelity

    def shallow_path(self, cluster: int) -> str:
        """What holds in the cluster's leaf, `PC 3 <= -0.209 and PC 1 > 2.310`; empty where it has none."""
        for number, node in enumerate(self.shallow.nodes_):
            if node.is_leaf and self.shallow_clusters[node.centre] == cluster:
                return self._words(number)
        return ""

    def shallow_words(self, point: Float32) -> str:
        """The same of the leaf that one window's point, [c], comes to."""
        return self._words(int(self.shallow.leaves(point[None])[0]))

    def _words(self, number: int) -> str:
        names = component_names(self.shallow)
        said = [condition.words(names) for condition in self.shallow.conditions(number)]
        return " and ".join(said) or "there is no other cluster"


def study_trees(
    points: Float32, model: BandModel, measured: MeasuredWindows, windows: EvaluatedWindows, seed: int = 0
) -> StudyTrees:
    """Trees that tell the clusters of `measured` apart; points [n, c] are the windows' in the model's space.

    Held out: trees of either half, asked for the other (`models/halves.py`); the clusters are the model's.
    """
    clusters = measured.clusters
    is_first = first_half(stretches(windows.recording, windows.start_ns, None), None, seed)
    halves = None if is_first.all() or not is_first.any() else is_first
    shallow, seen = grow_tree(points, clusters, model.centres, model.clusters)
    measure = MeasureTree().fit(measured.features, clusters, measured.pixel)
    if halves is None:
        of_measures = TreeFidelity(
            training=measure.fidelity(measured.features, clusters),
            held_out=math.nan,
            largest_share=_largest_share(clusters),
            leaves=measure.n_leaves_,
            depth=measure.depth_,
        )
    else:
        of_measures = tree_fidelity(
            measured.features,
            clusters,
            windows.start_ns,
            measured.pixel,
            recording=windows.recording,
            seed=seed,
        )
    return StudyTrees(
        shallow=shallow,
        shallow_clusters=seen,
        shallow_fidelity=TreeFidelity(
            training=float((seen[shallow.predict(points)] == clusters).mean()),
            held_out=held_out_fidelity(points, clusters, model.centres, model.clusters, halves),
            largest_share=_largest_share(clusters),
            leaves=shallow.n_leaves_,
            depth=shallow.depth_,
        ),
        measure=measure,
        measure_fidelity=of_measures,
    )


def tree_figures(
    points: Float32, centres: Float32, labels: Int64, is_first: Bools | None
) -> dict[str, float]:
    """`fidelity` (held out; NaN without halves), `fidelity_training`, `depth` and `leaves` of the tree of
    points [n, c] in the clusters `labels` [n], rows of `centres` [k, c]."""
    numbers = np.arange(len(centres), dtype=np.int64)
    tree, seen = grow_tree(points, labels, centres, numbers)
    return {
        "fidelity": held_out_fidelity(points, labels, centres, numbers, is_first),
        "fidelity_training": float((seen[tree.predict(points)] == labels).mean()),
        "depth": float(tree.depth_),
        "leaves": float(tree.n_leaves_),
    }


def grow_tree(
    points: Float32, clusters: Int64, centres: Float32, numbers: Int64
) -> tuple[ShallowTree, Int64]:
    """The tree of points [n, c] in `clusters` [n] and of those centres [k, c] that have any of them, and by
    which of the `numbers` [k] these go."""
    has_windows = np.isin(numbers, clusters)
    tree = ShallowTree(int(has_windows.sum())).fit(points, centres[has_windows])
    return tree, numbers[has_windows]


def held_out_fidelity(
    points: Float32, clusters: Int64, centres: Float32, numbers: Int64, is_first: Bools | None
) -> float:
    """The share of windows whose cluster a tree of the other half gives; NaN without two halves."""
    if is_first is None:
        return math.nan
    right = 0
    for half in (is_first, ~is_first):
        tree, seen = grow_tree(points[half], clusters[half], centres, numbers)
        right += int((seen[tree.predict(points[~half])] == clusters[~half]).sum())
    return right / len(clusters)


def component_names(tree: ShallowTree) -> list[str]:
    """`PC 1` for feature 0: of every feature that the tree cuts, and those before it."""
    return [f"PC {number + 1}" for number in range(max(node.feature for node in tree.nodes_) + 1)]


def _largest_share(clusters: Int64) -> float:
    return float(np.unique(clusters, return_counts=True)[1].max() / len(clusters))
