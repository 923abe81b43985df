"""Mixing on: how much each of several forecasts counts, by what came of those made before the newest rows."""

from __future__ import annotations

import numpy as np

from ...pipeline.frames import Float32, Int64
from ..ridge_solving import Float64
from .default_mix import on_simplex
from .forecaster import HORIZON_STEPS

RECENT_ROWS = 96
BACK_ROWS: Int64 = np.arange(1, RECENT_ROWS, 2)
"""How long before an origin the forecasts were made that tell how much each counts: every second row."""
HALF_LIFE_ROWS = 48.0
NEIGHBOUR_SHARE = 0.9  # how much the errors of a horizon tell of the next one
PRIOR_STRENGTH = 0.3  # of the least mean square of what any of the forecasts said
LEAST_SHARE = 1e-3  # of the greatest; who says less, says nothing, and its square does not count


def recent_mix(said: Float32, came: Float32, made: Int64, origins: Int64, prior: Float64) -> Float64:
    """Weights [m, 12, k], none negative, together at most 1; what is missing is repeat-last's.

    Least squares over the forecasts made in the 96 rows before each origin, of each as much as has come
    true before it: newer ones, and those of near horizons, count more; drawn towards `prior` [m, k], which
    is the answer where nothing is known.

    Shape: said [k, n, 12, C] and came [n, 12, C], both as changes from the last value, of forecasts made at
    `made` [n], ascending; rows of `came` that are not known hold a NaN; origins [m].
    """
    gram, moment = _squares(said, came)
    summed, products = _before(gram, moment, made, origins)
    steps = np.arange(HORIZON_STEPS)
    near = NEIGHBOUR_SHARE ** np.abs(steps[:, np.newaxis] - steps)
    summed = np.einsum("hj,mjkl->mhkl", near, summed)
    products = np.einsum("hj,mjk->mhk", near, products)
    k = prior.shape[1]
    mix = np.empty((len(origins), HORIZON_STEPS, k))
    for row, h in np.ndindex(len(origins), HORIZON_STEPS):
        squares = np.diag(summed[row, h])
        strength = PRIOR_STRENGTH * squares.min(where=squares > LEAST_SHARE * squares.max(), initial=np.inf)
        if not 0 < strength < np.inf:
            mix[row, h] = prior[row]
            continue
        ridge = summed[row, h] + strength * np.eye(k)
        mix[row, h] = on_simplex(ridge, products[row, h] + strength * prior[row])
    return mix


def _squares(said: Float32, came: Float32) -> tuple[Float64, Float64]:
    """Means over columns of what was said with itself and with what came; 0 where that is not known.

    Shape: -> [n, 12, k, k], [n, 12, k].
    """
    known = np.asarray(np.isfinite(came).all(axis=2))[:, :, np.newaxis]  # [n, 12, 1]
    each = said.transpose(1, 2, 0, 3)  # [n, 12, k, C]
    each = np.where(known[..., np.newaxis], each, np.float32(0))
    truth = np.where(known, came, np.float32(0))
    columns = came.shape[2]
    gram = (each @ each.transpose(0, 1, 3, 2)).astype(np.float64) / columns
    moment = (each @ truth[..., np.newaxis])[..., 0].astype(np.float64) / columns
    return gram, moment


def _before(gram: Float64, moment: Float64, made: Int64, origins: Int64) -> tuple[Float64, Float64]:
    """Sums over the forecasts made before each origin, of the steps that lie before it, too.

    Shape: -> [m, 12, k, k], [m, 12, k].
    """
    k = moment.shape[2]
    summed = np.zeros((len(origins), HORIZON_STEPS, k, k))
    products = np.zeros((len(origins), HORIZON_STEPS, k))
    if not len(made):
        return summed, products
    for back in BACK_ROWS.tolist():
        place = np.minimum(np.searchsorted(made, origins - back), len(made) - 1)
        share = 0.5 ** (back / HALF_LIFE_ROWS) * (made[place] == origins - back)
        true = slice(0, min(back, HORIZON_STEPS))
        summed[:, true] += share[:, np.newaxis, np.newaxis, np.newaxis] * gram[place, true]
        products[:, true] += share[:, np.newaxis, np.newaxis] * moment[place, true]
    return summed, products
