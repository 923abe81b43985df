"""The shallow tree of Laber, Murtinho and Oliveira: k-means clusters told by few cuts, one leaf a cluster.

"Shallow decision trees for explainable k-means clustering" (Pattern Recognition 2023, arXiv 2112.14718), as
the first paper uses it (its figure 7). The cost of a cut and what the paper leaves open:
`docs/decisions/0010-shallow-tree.md`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from ..pipeline.frames import Int64
from .centre_tree import DEPTH_FACTOR, Bools, CentreTree, Float64, Node

__all__ = ["DEPTH_FACTOR", "Condition", "ShallowTree"]


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


class ShallowTree(CentreTree[Condition]):
    """The paper's tree: cuts along single features. Of the conditions of a leaf, those that a later cut of
    the same feature and direction makes redundant are dropped.
    """

    def conditions(self, number: int) -> tuple[Condition, ...]:
        """What holds for all samples in node `number`, and for no others: a condition a feature."""
        met: dict[int, Condition] = {}
        for node, goes_left in self._way(number):
            known = met.get(node.feature, Condition(node.feature))
            met[node.feature] = (
                replace(known, at_most=min(known.at_most, node.threshold))
                if goes_left
                else replace(known, above=max(known.above, node.threshold))
            )
        return tuple(met.values())

    def _grow(self, points: Float64, centres: Float64) -> tuple[list[Node], Int64]:
        from .tree_growth import grow  # loads numba: only who grows trees does

        return grow(points, centres, self.depth_factor)

    def _goes_left(self, node: Node, points: Float64) -> Bools:
        return points[:, node.feature] <= node.threshold
