"""From points and centres to the nodes of a shallow tree: greedy cuts, until all centres are apart."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..pipeline.errors import BadInput
from ..pipeline.frames import Int64
from .centre_tree import Float64, Node
from .tree_cuts import best_cut, divide

_ROWS_AT_ONCE = 8192  # of distances: their intermediate results stay in the processor's cache


@dataclass(frozen=True, slots=True, eq=False)
class Distinct:
    """Points without repetitions: `rows` [m, d] ascending, `weights` [m], how often each is there, `away`
    [k, m], squared distances from the centres; and of all given points the nearest centre, `labels` [n]."""

    rows: Float64
    weights: Float64
    away: Float64
    labels: Int64


def distinct_points(points: Float64, centres: Float64) -> Distinct:
    """Shape: points [n, d], centres [k, d], finite. Raises BadInput for equal centres, for fewer distinct
    points than centres and for values too large to square."""
    if len(np.unique(centres, axis=0)) < len(centres):
        raise BadInput(f"centers: {_equal_pair(centres)}, all must differ")
    distinct, weights, place_of = _distinct(points)
    if len(distinct) < len(centres):
        raise BadInput(f"X: {len(distinct)} distinct points, at least as many as centers ({len(centres)})")
    away = squared_distances(distinct, centres)
    if not np.isfinite(away).all():
        raise BadInput(f"X: values up to {np.abs(points).max():g}, too large to square")
    return Distinct(distinct, weights, away, away.argmin(axis=0).astype(np.int64)[place_of])


def grow(points: Float64, centres: Float64, depth_factor: float) -> tuple[list[Node], Int64]:
    """Nodes, a cut before what is below it, left side first, not yet counted; each point's nearest centre.

    Shape: points [n, d], centres [k, d], finite -> labels int64 [n]. Raises BadInput as `distinct_points`.
    """
    found = distinct_points(points, centres)
    away = found.away
    away *= found.weights
    return _Growth(found.rows, centres, away, depth_factor).nodes(), found.labels


class _Growth:
    """The arrays of `tree_cuts`, divided in place as the tree grows: memory does not grow with it."""

    def __init__(self, points: Float64, centres: Float64, away: Float64, depth_factor: float) -> None:
        count = len(points)
        self.columns = np.ascontiguousarray(points.T)
        self.orders = np.empty(self.columns.shape, dtype=np.int32)
        for column, order in zip(self.columns, self.orders, strict=True):
            order[:] = column.argsort(kind="stable")
        self.centres = centres
        self.away = away
        self.depth_factor = depth_factor
        self.right = np.empty_like(away)
        self.room = np.empty(count)
        self.places = np.empty(count, dtype=np.int32)

    def nodes(self) -> list[Node]:
        nodes: list[Node] = []
        # What is still to be made: its place in its parent, slice, centres, the cuts above it, its depth.
        free: frozenset[tuple[int, str]] = frozenset()
        waiting = [(-1, 0, len(self.room), np.arange(len(self.centres)), free, 0)]
        while waiting:
            parent, first, last, centres, free, depth = waiting.pop()
            here = tuple(centres.tolist())
            if parent >= 0:
                nodes[parent] = with_side(nodes[parent], len(nodes))
            feature, cut = self._best(first, last, centres, free) if len(centres) > 1 else (-1, math.nan)
            if feature < 0:
                summed = self.away[centres, first:last].sum(axis=1)
                nodes.append(Node(depth, here, centre=here[int(summed.argmin())]))
                continue
            below = self.centres[centres, feature] <= cut
            middle = divide(
                *(feature, cut, self.columns, self.orders, self.away),
                *(centres, first, last, self.places, self.room),
            )
            for start, end, kept, side in (
                (middle, last, centres[~below], "right"),
                (first, middle, centres[below], "left"),  # the last in is the first out
            ):
                waiting.append((len(nodes), start, end, kept, free | {(feature, side)}, depth + 1))
            nodes.append(Node(depth, here, feature=feature, threshold=cut))
        return nodes

    def _best(
        self, first: int, last: int, centres: NDArray[np.int64], free: frozenset[tuple[int, str]]
    ) -> tuple[int, float]:
        """The feature and threshold of the cheapest cut, the first if several; feature -1 if none may be."""
        best, best_threshold, best_cost = -1, math.nan, math.inf
        for feature, (values, order) in enumerate(zip(self.columns, self.orders, strict=True)):
            coordinates = self.centres[centres, feature]
            ascending = coordinates.argsort(kind="stable")
            threshold, cost = best_cut(
                *(values, order, self.away, centres[ascending], coordinates[ascending], first, last),
                *(self.depth_factor, (feature, "left") in free, (feature, "right") in free),
                *(self.right, self.room),
            )
            if cost < best_cost:
                best, best_threshold, best_cost = feature, threshold, cost
        return best, best_threshold


def with_side(node: Node, number: int) -> Node:
    """The cut with its next side, the left one first, in node `number`."""
    return replace(node, left=number) if node.left < 0 else replace(node, right=number)


def _distinct(points: Float64) -> tuple[Float64, Float64, Int64]:
    """The distinct rows, ascending, how often each is there, and for every row which of them it is."""
    ascending = np.lexsort(points.T[::-1])
    rows = points[ascending]
    is_new = np.ones(len(rows), dtype=bool)
    is_new[1:] = (rows[1:] != rows[:-1]).any(axis=1)
    number = is_new.cumsum() - 1
    place_of = np.empty(len(rows), dtype=np.int64)
    place_of[ascending] = number
    return rows[is_new], np.bincount(number).astype(np.float64), place_of


def squared_distances(points: Float64, centres: Float64) -> Float64:
    """Shape: [n, d], [k, d] -> [k, n]."""
    away = np.empty((len(centres), len(points)))
    with np.errstate(over="ignore"):
        for first in range(0, len(points), _ROWS_AT_ONCE):
            part = slice(first, first + _ROWS_AT_ONCE)
            for centre, row in zip(centres, away, strict=True):
                # Root and square, as the authors' program: perfect cuts tie but for the last bits of these.
                row[part] = np.linalg.norm(points[part] - centre, axis=1) ** 2
    return away


def _equal_pair(centres: Float64) -> str:
    seen: dict[tuple[float, ...], int] = {}
    for number, centre in enumerate(centres.tolist()):
        first = seen.setdefault(tuple(centre), number)
        if first != number:
            return f"{first} and {number} are equal"
    raise AssertionError("called for centres that differ")
