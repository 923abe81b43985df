"""The shallow tree of Laber, Murtinho and Oliveira: k-means clusters told by few cuts, one leaf a cluster.

"Shallow decision trees for explainable k-means clustering" (Pattern Recognition 2023, arXiv 2112.14718), as
the first paper uses it (its figure 7). The cost of a cut and what the paper leaves open:
`docs/decisions/0010-shallow-tree.md`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..pipeline.errors import BadInput
from ..pipeline.frames import Int64

Float64 = NDArray[np.float64]

DEPTH_FACTOR = 0.03
"""The authors' weight of the estimated height against the price of explainability."""


@dataclass(frozen=True, slots=True)
class Node:
    """A node of a grown tree and what of the fitted samples came there.

    `centres`: those on its side, ascending. `misassigned`: samples here whose nearest centre is not; in a
    leaf, whose nearest centre is not `centre`. A cut sends a sample with x[feature] <= threshold to node
    `left`, others to node `right`; a leaf has `centre` instead.
    """

    depth: int
    centres: tuple[int, ...]
    feature: int = -1
    threshold: float = math.nan
    left: int = -1
    right: int = -1
    centre: int = -1
    samples: int = 0
    misassigned: int = 0

    @property
    def is_leaf(self) -> bool:
        return self.feature < 0


@dataclass(frozen=True, slots=True)
class Condition:
    """`above < x[feature] <= at_most`, either end infinite where there is none."""

    feature: int
    above: float = -math.inf
    at_most: float = math.inf

    @property
    def size(self) -> int:
        """Ends that are there: 1 or 2."""
        return math.isfinite(self.above) + math.isfinite(self.at_most)

    def words(self, names: list[str] | None = None) -> str:
        """As a line, of the feature's number or its name; three decimals."""
        name = str(self.feature) if names is None else names[self.feature]
        if math.isinf(self.above):
            return f"{name} <= {self.at_most:.3f}"
        if math.isinf(self.at_most):
            return f"{name} > {self.above:.3f}"
        return f"{self.above:.3f} < {name} <= {self.at_most:.3f}"


class ShallowTree:
    """A tree of cuts along single features that tells given centres apart.

    After `fit`: `nodes_`, every node, a cut before what is below it; `depth_`, cuts on the longest path;
    `n_leaves_`; `weighted_depth_`, the mean over the samples of the depth of their leaf (the paper's WAD);
    `explanation_size_`, the same of the conditions of their leaf when those that a later cut of the same
    feature and direction makes redundant are dropped (the paper's WAES).
    """

    nodes_: tuple[Node, ...]
    depth_: int
    n_leaves_: int
    weighted_depth_: float
    explanation_size_: float

    def __init__(self, n_clusters: int, depth_factor: float = DEPTH_FACTOR) -> None:
        if n_clusters < 1:
            raise BadInput(f"n_clusters: {n_clusters}, must be at least 1")
        if not 0 <= depth_factor < math.inf:
            raise BadInput(f"depth_factor: {depth_factor}, must be finite and at least 0")
        self.n_clusters = n_clusters
        self.depth_factor = depth_factor
        self._centers: Float64 = np.empty((0, 0))

    def fit(self, X: ArrayLike, centers: ArrayLike) -> ShallowTree:
        """Grow the tree that tells `centers` apart on `X`. Same data, same tree, whatever the rows' order.

        Shape: X [n, d], centers [n_clusters, d]. Raises BadInput for other shapes, values that are not finite
        or too large to square, equal centres, or fewer distinct points than centres.
        """
        from .tree_growth import grow  # loads numba: only who grows trees does

        points, centres = _table("X", X), _table("centers", centers)
        if len(centres) != self.n_clusters:
            raise BadInput(f"centers: {len(centres)} rows, n_clusters is {self.n_clusters}")
        if points.shape[1] != centres.shape[1]:
            raise BadInput(f"X: {points.shape[1]} features, the centers have {centres.shape[1]}")
        nodes, labels = grow(points, centres, self.depth_factor)
        self._centers = centres
        self.nodes_ = tuple(nodes)
        self._count(points, labels)
        return self

    def predict(self, X: ArrayLike) -> Int64:
        """The centre whose leaf each sample comes to. Shape: [n, d] -> int64 [n]."""
        places = self.leaves(X)
        return np.array([node.centre for node in self.nodes_])[places]

    def leaves(self, X: ArrayLike) -> Int64:
        """The place in `nodes_` of each sample's leaf. Shape: [n, d] -> int64 [n]."""
        points = self._known("X", X)
        places = np.zeros(len(points), dtype=np.int64)
        for number, node in enumerate(self.nodes_):  # a cut stands before what is below it
            if not node.is_leaf:
                here = np.flatnonzero(places == number)
                places[here] = np.where(points[here, node.feature] <= node.threshold, node.left, node.right)
        return places

    def path(self, x: ArrayLike) -> tuple[Condition, ...]:
        """What made sample x [d] come to its leaf: a condition a feature, in the order of the cuts."""
        return self.conditions(int(self.leaves(np.asarray(x)[None])[0]))

    def conditions(self, number: int) -> tuple[Condition, ...]:
        """What holds for all samples in node `number`, and for no others: a condition a feature."""
        met: dict[int, Condition] = {}
        place = 0
        while place != number:
            node = self.nodes_[place]
            known = met.get(node.feature, Condition(node.feature))
            # Nodes stand in the order of a walk that goes left first.
            if number < node.right:
                met[node.feature] = replace(known, at_most=min(known.at_most, node.threshold))
                place = node.left
            else:
                met[node.feature] = replace(known, above=max(known.above, node.threshold))
                place = node.right
        return tuple(met.values())

    def fidelity(self, X: ArrayLike, labels: ArrayLike) -> float:
        """The share of samples [n, d] whose leaf is that of their label [n], the index of a centre."""
        predicted, given = self.predict(X), np.asarray(labels)
        if given.shape != predicted.shape:
            raise BadInput(f"labels: shape {given.shape}, X has {len(predicted)} rows")
        if not len(given):
            raise BadInput("X: no rows, fidelity needs one")
        return float((predicted == given).mean())

    def cost(self, X: ArrayLike, *, leaf_means: bool = True) -> float:
        """Squared distances of X [n, d], summed: to the mean of X in each sample's leaf, or to its centre."""
        points, labels = self._known("X", X), self.predict(X)
        total = 0.0
        for centre in np.unique(labels):
            members = points[labels == centre]
            away = members - (members.mean(axis=0) if leaf_means else self._centers[centre])
            total += float((away * away).sum())
        return total

    def _known(self, name: str, values: ArrayLike) -> Float64:
        if not hasattr(self, "nodes_"):
            raise RuntimeError("the tree is not grown yet: fit comes first")
        table = _table(name, values)
        if table.shape[1] != self._centers.shape[1]:
            raise BadInput(f"{name}: {table.shape[1]} features, the centers have {self._centers.shape[1]}")
        return table

    def _count(self, points: Float64, labels: Int64) -> None:
        """Samples, misassigned ones, and the figures that need them."""
        places = self.leaves(points)
        # [node, label]: leaves as they are, then every cut the sum of its two sides.
        of_label = np.zeros((len(self.nodes_), self.n_clusters), dtype=np.int64)
        np.add.at(of_label, (places, labels), 1)
        nodes = list(self.nodes_)
        for number in reversed(range(len(nodes))):
            node = nodes[number]
            if not node.is_leaf:
                of_label[number] = of_label[node.left] + of_label[node.right]
            samples = int(of_label[number].sum())
            own = [node.centre] if node.is_leaf else [*node.centres]
            nodes[number] = replace(
                node, samples=samples, misassigned=samples - int(of_label[number, own].sum())
            )
        self.nodes_ = tuple(nodes)
        leaves = [(number, node) for number, node in enumerate(nodes) if node.is_leaf]
        sizes = [sum(met.size for met in self.conditions(number)) for number, _ in leaves]
        self.depth_ = max(node.depth for _, node in leaves)
        self.n_leaves_ = len(leaves)
        self.weighted_depth_ = sum(node.samples * node.depth for _, node in leaves) / len(points)
        self.explanation_size_ = sum(
            node.samples * size for (_, node), size in zip(leaves, sizes, strict=True)
        ) / len(points)


def _table(name: str, values: ArrayLike) -> Float64:
    try:
        table: NDArray[Any] = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise BadInput(f"{name}: must be a table of numbers") from None
    if table.ndim != 2:
        raise BadInput(f"{name}: shape {table.shape}, must be [rows, features]")
    if not np.isfinite(table).all():
        row, feature = np.argwhere(~np.isfinite(table))[0]
        raise BadInput(f"{name}: {table[row, feature]} in row {row}, feature {feature}, must be finite")
    return table
