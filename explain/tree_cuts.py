"""The best cut of a tree's node, and the division of its points, compiled by numba, without the GIL.

The cost is that of Laber, Murtinho and Oliveira, "Shallow decision trees for explainable k-means clustering"
(Pattern Recognition 2023, arXiv 2112.14718), stated in `docs/decisions/0010-shallow-tree.md`.

A node's points are a slice `first:last` of every array here, and stay in the order that they had at the root.
To import this module takes numba's half second: only who grows trees does.

Sums are taken in one stated order and never contracted: cuts that separate clusters perfectly tie but for
their last bits, and those must be the same everywhere.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numba import njit, types

Kernel = Callable[..., Any]

_NUMBERS = types.Array(types.float64, 1, "C")
_TABLE = types.Array(types.float64, 2, "C")
_PLACES = types.Array(types.int32, 1, "C")
_PLACE_TABLE = types.Array(types.int32, 2, "C")
_CENTRES = types.Array(types.int64, 1, "C")


def compiled(signature: Any) -> Callable[[Kernel], Kernel]:
    def decorate(function: Kernel) -> Kernel:
        try:
            return njit(signature, nogil=True, cache=True)(function)
        except (RuntimeError, OSError):  # no directory to write to; or it filled up
            return njit(signature, nogil=True)(function)

    return decorate


@compiled(types.int64(types.int64, types.int64, types.int64, types.float64, types.float64))
def summed_levels(level: int, points: int, centres: int, alpha: float, beta: float) -> int:
    """Levels of `points`, summed, if the first counts `level` and every cut divides as (alpha, beta) did.

    The left side gets ceil(beta centres) and ceil(alpha points), each side at least one of either. A single
    point goes where more centres are, right if as many.
    """
    if centres == 1 or points == 0:
        return level * points
    left_centres = min(max(math.ceil(centres * beta), 1), centres - 1)
    right_centres = centres - left_centres
    if points == 1:
        left_points = 1 if left_centres > right_centres else 0
    else:
        left_points = min(max(math.ceil(points * alpha), 1), points - 1)
    return summed_levels(level + 1, left_points, left_centres, alpha, beta) + summed_levels(
        level + 1, points - left_points, right_centres, alpha, beta
    )


@compiled(types.float64(*[types.int64] * 4, types.boolean, types.boolean))
def estimated_height(
    left_points: int, points: int, left_centres: int, centres: int, is_left_free: bool, is_right_free: bool
) -> float:
    """The weighted height h / n of a cut. A side is free where the path already cut so: one level less."""
    # Shares in single precision, as the authors' program has them: it decides ceil() at whole numbers.
    alpha = float(np.float32(left_points / points))
    beta = float(np.float32(left_centres / centres))
    right_points = points - left_points
    left = summed_levels(1, left_points, left_centres, alpha, beta)
    right = summed_levels(1, right_points, centres - left_centres, alpha, beta)
    return (left - is_left_free * left_points + right - is_right_free * right_points) / points


@compiled(types.float64(types.int64, types.int64, types.int64, types.int64, types.boolean, types.boolean))
def least_height(
    left_points: int, points: int, left_centres: int, centres: int, is_left_free: bool, is_right_free: bool
) -> float:
    """No more than `estimated_height`, and quick: a side of several centres has two levels at least."""
    right_points = points - left_points
    left = (1 + (left_centres > 1) - is_left_free) * left_points
    right = (1 + (centres - left_centres > 1) - is_right_free) * right_points
    return (left + right) / points


@compiled(
    types.UniTuple(types.float64, 2)(
        *(_NUMBERS, _PLACES, _TABLE, _CENTRES, _NUMBERS, types.intp, types.intp),
        *(types.float64, types.boolean, types.boolean, _TABLE, _NUMBERS),
    )
)
def best_cut(
    values: Any,
    order: Any,
    away: Any,
    centres: Any,
    coordinates: Any,
    first: int,
    last: int,
    depth_factor: float,
    is_left_free: bool,
    is_right_free: bool,
    right: Any,
    left: Any,
) -> tuple[float, float]:
    """A feature's cut with the least cost, the lowest of equals, and that cost, infinite if no cut may be.

    Shape: values [n], the feature of each point; order [n], places of the node's points by ascending value,
    equal ones as they stand; away [k, n], squared distances times the point's weight; centres [K], rows of
    `away` by ascending `coordinates` [K] of this feature; right [>= K, n] and left [n], room to work in.
    """
    n, k = last - first, len(centres)
    least_cut, least_cost = 0.0, np.inf
    if coordinates[0] == coordinates[k - 1] or values[order[first]] == values[order[last - 1]]:
        return least_cut, least_cost
    # right[j]: the cost of each point if the centres from the j-th on are on its side; right[0]: uncut.
    for place in range(first, last):
        right[k - 1, place] = away[centres[k - 1], place]
    for j in range(k - 2, -1, -1):
        row = away[centres[j]]
        for place in range(first, last):
            right[j, place] = min(row[place], right[j + 1, place])
    before = 0.0
    for place in range(first, last):
        before += right[0, place]
    # The lowest cut: all centres with the least coordinate are on the left.
    cut = coordinates[0]
    moved = 1
    for place in range(first, last):
        left[place] = away[centres[0], place]
    while coordinates[moved] <= cut:
        row = away[centres[moved]]
        for place in range(first, last):
            left[place] = min(left[place], row[place])
        moved += 1
    total = before
    for place in range(first, last):
        total += (left[place] if values[place] <= cut else right[moved, place]) - right[0, place]
    below = 0
    while below < n and values[order[first + below]] <= cut:
        below += 1
    while True:
        if below >= moved and n - below >= k - moved:
            price = total / before if before > 0 else 1.0  # all on their centres: no cut parts them
            least = least_height(below, n, moved, k, is_left_free, is_right_free)
            if price + depth_factor * least < least_cost:
                height = estimated_height(below, n, moved, k, is_left_free, is_right_free)
                cost = price + depth_factor * height
                if cost < least_cost:
                    least_cut, least_cost = cut, cost
        if below == n:
            break
        cut = min(values[order[first + below]], coordinates[moved])
        if cut >= coordinates[k - 1]:
            break
        while below < n and values[order[first + below]] <= cut:
            place = order[first + below]
            total += left[place] - right[moved, place]
            below += 1
        while coordinates[moved] <= cut:
            row = away[centres[moved]]
            for place in range(first, last):
                nearest = min(left[place], row[place])
                if values[place] <= cut:
                    total += nearest - left[place]
                else:
                    total += right[moved + 1, place] - right[moved, place]
                left[place] = nearest
            moved += 1
    return least_cut, least_cost


@compiled(types.void(_NUMBERS, _PLACES, types.intp, types.intp, _NUMBERS))
def _scatter(row: Any, places: Any, first: int, last: int, room: Any) -> None:
    for place in range(first, last):
        room[places[place]] = row[place]
    for place in range(first, last):
        row[place] = room[place]


@compiled(
    types.intp(
        *(types.intp, types.float64, _TABLE, _PLACE_TABLE, _TABLE),
        *(_CENTRES, types.intp, types.intp, _PLACES, _NUMBERS),
    )
)
def divide(
    feature: int,
    cut: float,
    columns: Any,
    orders: Any,
    away: Any,
    centres: Any,
    first: int,
    last: int,
    places: Any,
    room: Any,
) -> int:
    """Bring the points of `first:last` with value <= cut to its front; everything else keeps its order.

    Shape: columns [d, n], orders [d, n], away [k, n] (of the rows `centres` only) are changed; places [n] and
    room [n] to work in. Returns the first place on the right.
    """
    middle = first
    for place in range(first, last):
        middle += columns[feature, place] <= cut
    lower, upper = first, middle
    for place in range(first, last):
        if columns[feature, place] <= cut:
            places[place] = lower
            lower += 1
        else:
            places[place] = upper
            upper += 1
    for row in range(len(orders)):
        order = orders[row]
        lower, upper = first, 0
        for at in range(first, last):
            place = places[order[at]]
            if place < middle:
                order[lower] = place  # never past `at`
                lower += 1
            else:
                room[upper] = place
                upper += 1
        for at in range(upper):
            order[middle + at] = np.int32(room[at])
        _scatter(columns[row], places, first, last, room)
    for centre in centres:
        _scatter(away[centre], places, first, last, room)
    return middle
