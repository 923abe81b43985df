"""A band's model, fitted on the node from what the band has shown so far."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..pipeline.errors import BadInput
from ..pipeline.frames import Float32, Int64, read_only
from .activity import BandModel, Geometry, model_name
from .clustering import fit_centres, fit_projection, nearest

MOST_CLUSTERS = 24
MOST_COMPONENTS = 20
WINDOWS_A_CLUSTER = 8
HELD_OUT_EVERY = 4
STRIDES_A_BLOCK = 32


def fit_band_model(
    features: Float32,
    geometry: Geometry,
    *,
    previous: BandModel | None = None,
    clusters: int = MOST_CLUSTERS,
    components: int = MOST_COMPONENTS,
    whiten: bool = True,
    seed: int = 0,
) -> BandModel:
    """Fit a band model on the features [n, d] of a band's windows, in the order they came.

    At most one cluster for every eight windows. Every fourth block of windows is held out: the model never
    sees it, and the distances of its windows calibrate the novelty. Blocks, not single windows, as
    neighbours overlap. With `previous`, clusters keep the numbers of those they lie nearest to.

    Raises BadInput for fewer than 8 windows or features that are not finite. Two fits of the same features
    are equal to the bit.
    """
    count = features.shape[0]
    if count < 2 * HELD_OUT_EVERY:
        raise BadInput(f"{geometry.node}/{geometry.band}: {count} windows, a band model needs at least 8")
    if not np.isfinite(features).all():
        raise BadInput(f"{geometry.node}/{geometry.band}: features hold NaN or infinity")
    held_out = held_out_windows(count, geometry.segments)
    learnt = features[~held_out]
    projection = fit_projection(learnt, components, whiten=whiten)
    wanted = min(clusters, max(2, count // WINDOWS_A_CLUSTER))
    centres, _ = fit_centres(projection.points(learnt), wanted, seed)
    _, distances = nearest(projection.points(features[held_out]), centres)
    calibration = np.sort(distances)
    numbers = np.arange(len(centres), dtype=np.int64)
    if previous is not None:
        numbers = kept_numbers(
            projection.features(centres), previous.projection.features(previous.centres), previous.clusters
        )
    return BandModel(
        name=model_name(geometry, count, centres, calibration),
        geometry=geometry,
        windows=count,
        projection=projection,
        centres=read_only(centres),
        clusters=read_only(numbers),
        calibration=read_only(calibration),
    )


def held_out_windows(count: int, segments: int) -> NDArray[np.bool_]:
    """Which of a band's windows calibrate: bool [count], every fourth block.

    A block is 32 strides of all segments, four windows' lengths at the live stride, or an eighth of all
    windows where that is less.
    """
    block = max(1, min(STRIDES_A_BLOCK * segments, count // (2 * HELD_OUT_EVERY)))
    return np.arange(count) // block % HELD_OUT_EVERY == HELD_OUT_EVERY - 1


def kept_numbers(centres: Float32, old_centres: Float32, old_numbers: Int64) -> Int64:
    """Numbers int64 [k] for new centres [k, d]: each old centre [j, d] gives its number to one new one, so
    that the sum of squared distances is least (Hungarian method); the rest get the lowest unused."""
    from scipy.optimize import linear_sum_assignment

    away = centres[:, None, :].astype(np.float64) - old_centres[None, :, :]
    new_index, old_index = linear_sum_assignment((away * away).sum(axis=2))
    numbers = np.full(len(centres), -1, dtype=np.int64)
    numbers[new_index] = old_numbers[old_index]
    unused = np.setdiff1d(np.arange(len(centres) + len(old_centres)), old_numbers)
    left = np.flatnonzero(numbers < 0)
    numbers[left] = unused[: len(left)]
    return numbers


class BandFitter:
    """Gathers the features of a band's windows and fits its model when enough have come.

    First at `first_windows`, then whenever there are `growth` times as many, last at `last_windows`: 96,
    384, 1536, 6144. A fit is on the windows up to that number exactly, so that the size of the batches
    changes nothing.
    """

    def __init__(
        self,
        geometry: Geometry,
        *,
        first_windows: int = 96,
        growth: int = 4,
        last_windows: int = 6144,
        seed: int = 0,
    ) -> None:
        if first_windows < 2 * HELD_OUT_EVERY or growth < 2 or last_windows < first_windows:
            raise BadInput(
                f"band fitting: first_windows {first_windows}, growth {growth}, last_windows {last_windows}; "
                "needs at least 8, at least 2, and no fewer windows last than first"
            )
        self.geometry = geometry
        self._first_windows, self._growth, self._last_windows = first_windows, growth, last_windows
        self._seed = seed
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        self._held: list[Float32] = []
        self._count = 0
        self._due: int | None = self._first_windows
        self.model: BandModel | None = None

    @property
    def windows(self) -> int:
        """Windows taken towards the next fit; after the last fit none are."""
        return self._count

    @property
    def windows_due(self) -> int | None:
        """At how many windows the next fit is; None after the last."""
        return self._due

    def push(self, features: Float32) -> BandModel | None:
        """Take features [n, d], oldest first; the newest model if one was fitted because of them."""
        before = self.model
        if self._due is not None and len(features):
            self._held.append(features[: self._last_windows - self._count].copy())
            self._count += len(self._held[-1])
        while self._due is not None and self._count >= self._due:
            self._fit(self._due)
        return self.model if self.model is not before else None

    def _fit(self, count: int) -> None:
        features = np.concatenate(self._held)
        self._held = [features]
        self.model = fit_band_model(features[:count], self.geometry, previous=self.model, seed=self._seed)
        self._due = None if count >= self._last_windows else min(count * self._growth, self._last_windows)
        if self._due is None:
            self._held = []
