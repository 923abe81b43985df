"""A window's nearest centre and how unusual it is there, one row at a time: what runs online."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from ..pipeline.frames import Float32
from .clustering import Projection
from .novelty import Usual


class Assigning:
    """The search of one model, with all that does not change worked out once.

    Row by row, so that a row's answer is the same to the bit whatever it is asked with; and with vectors, as
    one call of numpy on a batch of one row costs several times what it computes.
    """

    def __init__(self, projection: Projection, centres: Float32, usual: Usual) -> None:
        self._mean = projection.mean
        self._count = projection.component_count
        # Both spaces in one product.
        whitened = projection.components / projection.scale[:, None]
        self._spaces = np.ascontiguousarray(np.concatenate([whitened, usual.components]))
        self._centres = list(centres)
        self._doubled = np.ascontiguousarray(-2 * centres)
        self._norms = (centres * centres).sum(axis=1)
        self._middles, self._whitening = list(usual.middles), list(usual.whitening)
        self._outside = float(usual.outside[0])

    def __call__(self, features: Float32) -> Iterator[tuple[int, float, float]]:
        """Of each row of features [n, d]: the index of the nearest centre, the distance to it in the space of
        the components, and the distance from what is usual there (`Usual`); NaN for rows not finite."""
        for row in features:
            centred = row - self._mean
            size = float(centred.dot(centred))
            if not math.isfinite(size) and not np.isfinite(row).all():
                yield 0, math.nan, math.nan
                continue
            both = self._spaces.dot(centred)
            point, inside = both[: self._count], both[self._count :]
            # |x - c|^2 = |x|^2 - 2 x.c + |c|^2, and the first term is the same for every centre.
            scores = self._doubled.dot(point)
            scores += self._norms
            index = int(scores.argmin())
            point = point - self._centres[index]
            steps = self._whitening[index].dot(inside - self._middles[index])
            squares = float(steps.dot(steps))
            if self._outside:
                squares += self._outside * max(size - float(inside.dot(inside)), 0.0)
            # As float32, which calibrations are kept in: equal distances compare equal.
            yield index, math.sqrt(point.dot(point)), float(np.float32(math.sqrt(squares)))
