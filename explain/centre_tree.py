"""What the trees that tell k-means centres apart have in common: nodes, their counts, and their figures."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Generic, Protocol, Self, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..pipeline.errors import BadInput
from ..pipeline.frames import Int64

Float64 = NDArray[np.float64]
Bools = NDArray[np.bool_]

DEPTH_FACTOR = 0.03
"""The weight that Laber, Murtinho and Oliveira give the estimated height, against the price of a cut."""


class Told(Protocol):
    """What a tree says of the samples in a node; `size`: comparisons that it is."""

    @property
    def size(self) -> int: ...


Met = TypeVar("Met", bound=Told)


@dataclass(frozen=True, slots=True)
class Node:
    """A node of a grown tree and what of the fitted samples came there.

    `centres`: those on its side, ascending. `misassigned`: samples here whose nearest centre is not; in a
    leaf, whose nearest centre is not `centre`. A cut along a feature sends a sample with x[feature] <=
    threshold to node `left`, others to node `right`; a cut between two centres, one that is no farther from
    centre `near` than from centre `far`. A leaf has `centre` instead.
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
    near: int = -1
    far: int = -1

    @property
    def is_leaf(self) -> bool:
        return self.left < 0


class CentreTree(ABC, Generic[Met]):
    """A tree of cuts that tells given centres apart.

    After `fit`: `nodes_`, every node, a cut before what is below it; `depth_`, cuts on the longest path;
    `n_leaves_`; `weighted_depth_`, the mean over the samples of the depth of their leaf (the paper's WAD);
    `explanation_size_`, the same of the comparisons in the conditions of their leaf (the paper's WAES).
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

    def fit(self, X: ArrayLike, centers: ArrayLike) -> Self:
        """Grow the tree that tells `centers` apart on `X`. Same data, same tree, whatever the rows' order.

        Shape: X [n, d], centers [n_clusters, d]. Raises BadInput for other shapes, values that are not finite
        or too large to square, equal centres, or fewer distinct points than centres.
        """
        points, centres = _table("X", X), _table("centers", centers)
        if len(centres) != self.n_clusters:
            raise BadInput(f"centers: {len(centres)} rows, n_clusters is {self.n_clusters}")
        if points.shape[1] != centres.shape[1]:
            raise BadInput(f"X: {points.shape[1]} features, the centers have {centres.shape[1]}")
        nodes, labels = self._grow(points, centres)
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
                places[here] = np.where(self._goes_left(node, points[here]), node.left, node.right)
        return places

    def path(self, x: ArrayLike) -> tuple[Met, ...]:
        """What made sample x [d] come to its leaf, in the order of the cuts."""
        return self.conditions(int(self.leaves(np.asarray(x)[None])[0]))

    @abstractmethod
    def conditions(self, number: int) -> tuple[Met, ...]:
        """What holds for all samples in node `number`, and for no others, in the order of the cuts."""

    @abstractmethod
    def _grow(self, points: Float64, centres: Float64) -> tuple[list[Node], Int64]:
        """Nodes, a cut before what is below it, left side first, not yet counted; each point's nearest
        centre. Raises BadInput as `fit`."""

    @abstractmethod
    def _goes_left(self, node: Node, points: Float64) -> Bools:
        """Of points [n, d] that came to a cut, which go left: [n]."""

    def _way(self, number: int) -> Iterator[tuple[Node, bool]]:
        """The cuts from the root to node `number`, and whether the left side was taken."""
        place = 0
        while place != number:
            node = self.nodes_[place]
            goes_left = number < node.right  # nodes stand in the order of a walk that goes left first
            yield node, goes_left
            place = node.left if goes_left else node.right

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
