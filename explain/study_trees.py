"""The trees that tell one band's clusters apart, and how far each holds."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from ..models.activity import BandModel
from ..models.cluster_figures import Bools
from ..models.evaluated_windows import EvaluatedWindows
from ..models.halves import first_half, stretches
from ..pipeline.frames import Float32, Int64
from .bisector_tree import BisectorTree
from .centre_tree import CentreTree
from .measure_tree import MeasureTree, TreeFidelity, tree_fidelity
from .shallow_tree import ShallowTree
from .typical import MeasuredWindows


@dataclass(frozen=True, slots=True, eq=False)
class StudyTrees:
    """The trees of all windows: the one that asks which of two clusters a window is more like, the paper's
    (`shallow`, cuts along components), and that of measures. Centre i of the first two is cluster `seen[i]`:
    those that have windows. Fidelities `held_out` are NaN where all windows begin at one moment."""

    bisector: BisectorTree
    bisector_fidelity: TreeFidelity
    shallow: ShallowTree
    shallow_fidelity: TreeFidelity
    seen: Int64
    measure: MeasureTree
    measure_fidelity: TreeFidelity

    def path(self, cluster: int) -> str:
        """What holds in the cluster's leaf, `more like cluster 3 than cluster 7 or cluster 9`; empty where it
        has none."""
        for number, node in enumerate(self.bisector.nodes_):
            if node.is_leaf and self.seen[node.centre] == cluster:
                return self._words(number)
        return ""

    def window_words(self, point: Float32) -> str:
        """The same of the leaf that one window's point, [c], comes to: `it is more like ...`."""
        said = self._words(int(self.bisector.leaves(point[None])[0]))
        return f"it is {said}" if said.startswith("more") else said

    def cluster_names(self, names: Mapping[int, str] | None = None) -> dict[int, str]:
        """Centres go by rows, people by cluster numbers, or by the names they gave these."""
        known = names or {}
        return {
            place: known.get(number, f"cluster {number}") for place, number in enumerate(self.seen.tolist())
        }

    def _words(self, number: int) -> str:
        names = self.cluster_names()
        said = [condition.words(names) for condition in self.bisector.conditions(number)]
        return ", ".join(said) or "there is no other cluster"


def study_trees(
    points: Float32, model: BandModel, measured: MeasuredWindows, windows: EvaluatedWindows, seed: int = 0
) -> StudyTrees:
    """Trees that tell the clusters of `measured` apart; points [n, c] are the windows' in the model's space.

    Held out: trees of either half, asked for the other (`models/halves.py`); the clusters are the model's.
    """
    clusters = measured.clusters
    is_first = first_half(stretches(windows.recording, windows.start_ns, None), None, seed)
    halves = None if is_first.all() or not is_first.any() else is_first
    given = (points, clusters, model.centres, model.clusters)
    bisector, bisector_fidelity, seen = _judged(BisectorTree, *given, halves)
    shallow, shallow_fidelity, _ = _judged(ShallowTree, *given, halves)
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
        bisector=bisector,
        bisector_fidelity=bisector_fidelity,
        shallow=shallow,
        shallow_fidelity=shallow_fidelity,
        seen=seen,
        measure=measure,
        measure_fidelity=of_measures,
    )


def tree_figures(
    points: Float32, centres: Float32, labels: Int64, is_first: Bools | None
) -> dict[str, float]:
    """`fidelity` (held out; NaN without halves), `fidelity_training`, `depth` and `leaves` of the bisector
    tree of points [n, c] in the clusters `labels` [n], rows of `centres` [k, c]; `paper_fidelity` and so on
    of the paper's, of cuts along components."""
    numbers = np.arange(len(centres), dtype=np.int64)
    told: dict[str, float] = {}
    for kind, prefix in KINDS.items():
        _, found, _ = _judged(kind, points, labels, centres, numbers, is_first)
        told |= {
            f"{prefix}fidelity": found.held_out,
            f"{prefix}fidelity_training": found.training,
            f"{prefix}depth": float(found.depth),
            f"{prefix}leaves": float(found.leaves),
        }
    return told


Grown = TypeVar("Grown", bound=CentreTree[Any])
KINDS: Mapping[type[CentreTree[Any]], str] = {BisectorTree: "", ShallowTree: "paper_"}


def _judged(
    kind: type[Grown],
    points: Float32,
    clusters: Int64,
    centres: Float32,
    numbers: Int64,
    is_first: Bools | None,
) -> tuple[Grown, TreeFidelity, Int64]:
    """The tree of all windows, how far it holds, and by which of the `numbers` its centres go."""
    tree, seen = grow_tree(kind, points, clusters, centres, numbers)
    fidelity = TreeFidelity(
        training=float((seen[tree.predict(points)] == clusters).mean()),
        held_out=held_out_fidelity(kind, points, clusters, centres, numbers, is_first),
        largest_share=_largest_share(clusters),
        leaves=tree.n_leaves_,
        depth=tree.depth_,
    )
    return tree, fidelity, seen


def grow_tree(
    kind: type[Grown], points: Float32, clusters: Int64, centres: Float32, numbers: Int64
) -> tuple[Grown, Int64]:
    """The tree of points [n, c] in `clusters` [n] and of those centres [k, c] that have any of them, and by
    which of the `numbers` [k] these go."""
    has_windows = np.isin(numbers, clusters)
    tree = kind(int(has_windows.sum())).fit(points, centres[has_windows])
    return tree, numbers[has_windows]


def held_out_fidelity(
    kind: type[CentreTree[Any]],
    points: Float32,
    clusters: Int64,
    centres: Float32,
    numbers: Int64,
    is_first: Bools | None,
) -> float:
    """The share of windows whose cluster a tree of the other half gives; NaN without two halves."""
    if is_first is None:
        return math.nan
    right = 0
    for half in (is_first, ~is_first):
        tree, seen = grow_tree(kind, points[half], clusters[half], centres, numbers)
        right += int((seen[tree.predict(points[~half])] == clusters[~half]).sum())
    return right / len(clusters)


def component_names(tree: ShallowTree) -> list[str]:
    """`PC 1` for feature 0: of every feature that the tree cuts, and those before it."""
    return [f"PC {number + 1}" for number in range(max(node.feature for node in tree.nodes_) + 1)]


def _largest_share(clusters: Int64) -> float:
    return float(np.unique(clusters, return_counts=True)[1].max() / len(clusters))
