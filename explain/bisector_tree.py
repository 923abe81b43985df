"""A tree that asks which of two clusters a sample is more like: k-means' own borders, by few cuts.

The shallow tree's cost with other cuts, midway between two centres. What it gains and what it is not:
`docs/decisions/0012-bisector-tree.md`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..pipeline.frames import Int64
from .centre_tree import Bools, CentreTree, Float64, Node

DEPTH_FACTOR = 0.01


@dataclass(frozen=True, slots=True)
class Likeness:
    """No farther from centre `near` than from any of `far`."""

    near: int
    far: tuple[int, ...]

    @property
    def size(self) -> int:
        """Comparisons: how many centres it is compared with."""
        return len(self.far)

    def words(self, names: Mapping[int, str] | None = None) -> str:
        """`more like cluster 3 than cluster 7`, by the centres' numbers or names."""
        near, *far = (cluster_name(number, names) for number in (self.near, *self.far))
        return f"more like {near} than {' or '.join(far)}"


class BisectorTree(CentreTree[Likeness]):
    """Cuts midway between two of the centres that are still together, at most one leaf a centre.

    A cut's samples are on the side of the nearer of its two centres, and so are the other centres.
    """

    def __init__(self, n_clusters: int, depth_factor: float = DEPTH_FACTOR) -> None:
        super().__init__(n_clusters, depth_factor)

    def conditions(self, number: int) -> tuple[Likeness, ...]:
        """What holds for all samples in node `number`, and for no others: a condition a centre that a side
        was near to."""
        met: dict[int, tuple[int, ...]] = {}
        for node, goes_left in self._way(number):
            near, far = (node.near, node.far) if goes_left else (node.far, node.near)
            met[near] = (*met.get(near, ()), far)
        return tuple(Likeness(near, far) for near, far in met.items())

    def _grow(self, points: Float64, centres: Float64) -> tuple[list[Node], Int64]:
        from .bisector_growth import grow_bisectors  # loads numba: only who grows trees does

        return grow_bisectors(points, centres, self.depth_factor)

    def _goes_left(self, node: Node, points: Float64) -> Bools:
        near, far = points - self._centers[node.near], points - self._centers[node.far]
        return (near * near).sum(axis=1) <= (far * far).sum(axis=1)


def cluster_name(number: int, names: Mapping[int, str] | None) -> str:
    """The name a centre goes by; `cluster 3` of one without."""
    return (names or {}).get(number, f"cluster {number}")
