"""From points and centres to the nodes of a bisector tree: greedy cuts midway between two centres.

The cost of a cut is that of `tree_cuts`. To import this module takes numba's half second.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types
from numpy.typing import NDArray

from ..pipeline.frames import Int64
from .centre_tree import Float64, Node
from .tree_cuts import compiled, estimated_height
from .tree_growth import distinct_points, squared_distances, with_side

_NUMBERS = types.Array(types.float64, 1, "C")
_TABLE = types.Array(types.float64, 2, "C")
_PLACES = types.Array(types.int64, 1, "C")


def grow_bisectors(points: Float64, centres: Float64, depth_factor: float) -> tuple[list[Node], Int64]:
    """Nodes, a cut before what is below it, left side first, not yet counted; each point's nearest centre.

    Shape: points [n, d], centres [k, d], finite -> labels int64 [n]. Raises BadInput as `distinct_points`.
    """
    found = distinct_points(points, centres)
    away = np.ascontiguousarray(found.away.T)
    between = squared_distances(centres, centres)
    nodes: list[Node] = []
    # What is still to be made: its place in its parent, points, centres, its depth.
    waiting = [(-1, np.arange(len(away)), np.arange(len(centres)), 0)]
    while waiting:
        parent, places, here, depth = waiting.pop()
        if parent >= 0:
            nodes[parent] = with_side(nodes[parent], len(nodes))
        near, far = -1, -1
        if len(here) > 1:
            near, far = best_bisector(away, found.weights, between, here, places, depth_factor)
        if near < 0:
            summed = (away[np.ix_(places, here)] * found.weights[places, None]).sum(axis=0)
            nodes.append(Node(depth, tuple(here.tolist()), centre=int(here[summed.argmin()])))
            continue
        goes_left = away[places, near] <= away[places, far]
        is_left = between[here, near] <= between[here, far]
        waiting.append((len(nodes), places[~goes_left], here[~is_left], depth + 1))
        waiting.append(
            (len(nodes), places[goes_left], here[is_left], depth + 1)
        )  # the last in is the first out
        nodes.append(Node(depth, tuple(here.tolist()), near=near, far=far))
    return nodes, found.labels


@compiled(types.UniTuple(types.int64, 2)(_TABLE, _NUMBERS, _TABLE, _PLACES, _PLACES, types.float64))
def best_bisector(
    away: Any, weights: Any, between: Any, centres: NDArray[Any], places: NDArray[Any], depth_factor: float
) -> tuple[int, int]:
    """The pair of a node's centres whose bisector has the least cost, the first of equals; -1, -1 if none may
    be.

    Shape: away [n, k], squared distances; weights [n]; between [k, k], those of the centres; centres [K] and
    places [m], what is in the node, ascending.
    """
    k, n = len(centres), len(places)
    nearest = np.empty(n, np.int64)
    before = 0.0
    for at in range(n):
        row = away[places[at]]
        best = 0
        for j in range(1, k):
            if row[centres[j]] < row[centres[best]]:
                best = j
        nearest[at] = best
        before += weights[places[at]] * row[centres[best]]
    near, far, least = -1, -1, np.inf
    is_left = np.empty(k, np.bool_)
    for first in range(k):
        for second in range(first + 1, k):
            one, other = centres[first], centres[second]
            moved = 0
            for j in range(k):
                is_left[j] = between[centres[j], one] <= between[centres[j], other]
                moved += is_left[j]
            # A sum beyond this one costs too much whatever the height: that is 1 or more.
            most = (least - depth_factor) * before
            total, below = 0.0, 0
            for at in range(n):
                row = away[places[at]]
                goes_left = row[one] <= row[other]
                below += goes_left
                distance = row[centres[nearest[at]]]
                if is_left[nearest[at]] != goes_left:
                    distance = np.inf
                    for j in range(k):
                        if is_left[j] == goes_left and row[centres[j]] < distance:
                            distance = row[centres[j]]
                total += weights[places[at]] * distance
                if total > most:
                    break
            if total > most or below < moved or n - below < k - moved:
                continue
            price = total / before if before > 0 else 1.0  # all on their centres: no cut parts them
            cost = price + depth_factor * estimated_height(below, n, moved, k, False, False)
            if cost < least:
                near, far, least = one, other, cost
    return near, far
