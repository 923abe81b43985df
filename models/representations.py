"""Ways to see a window as numbers, from its pixels to an encoder's features: what a clustering works on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ..pipeline.frames import Float32, read_only
from .bundle import Bundle
from .evaluated_windows import EvaluatedWindows
from .window_features import FEATURES, window_features

PIXEL_COMPONENTS = 128
PIXEL_PCA_WINDOWS = 2048
FARTHEST_DEVIATIONS = 5.0
_COUNTED = frozenset({"rows", "bins", "count"})

OnWindows = Callable[[int], None]


@dataclass(frozen=True, slots=True, eq=False)
class Representation:
    """`features(seed)` float32 [n, d] of the same windows; `seeded` where another seed gives others.

    `whiten` says whether principal components are scaled to equal variance before k-means. `meaning` is for
    people. `complete` is false where the features are but the first components of more. What was made is
    kept: once asked for, it costs nothing.
    """

    name: str
    meaning: str
    make: Callable[[int], Float32]
    whiten: bool = True
    seeded: bool = False
    complete: bool = True
    _made: dict[int, Float32] = field(default_factory=dict)

    def features(self, seed: int) -> Float32:
        key = seed if self.seeded else 0
        if key not in self._made:
            self._made[key] = self.make(seed)
        return self._made[key]


def encoded(windows: EvaluatedWindows, bundle: Bundle, on_windows: OnWindows = lambda _: None) -> Float32:
    """The features of a bundle's encoder, [n, dimensions]."""
    return _by_batch(windows, bundle.engine.embed, bundle.dimensions, on_windows)


def untrained(
    windows: EvaluatedWindows, width: int, seed: int, threads: int, on_windows: OnWindows = lambda _: None
) -> Float32:
    """The features of an encoder that has learnt nothing, its weights drawn by the seed, [n, 8 * width]."""
    import torch

    from .encoder import Encoder, EncoderConfig, weights_of
    from .engine import open_engine

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        weights = weights_of(Encoder(EncoderConfig(width)))
    engine = open_engine(weights, width, device="cpu", threads=threads)
    return _by_batch(windows, engine.embed, engine.dimensions, on_windows)


def hand_made(windows: EvaluatedWindows, on_windows: OnWindows = lambda _: None) -> Float32:
    """The features of `window_features`, made comparable by `comparable`, [n, f]."""
    return comparable(_by_batch(windows, window_features, len(FEATURES), on_windows))


def comparable(features: Float32) -> Float32:
    """Hand-made features [n, f] with mean 0 and deviation 1, none farther than 5 from 0.

    Counts and lengths as logarithms first: from one burst to two is as far as from ten to twenty.
    """
    made = features.astype(np.float64)
    for column, feature in enumerate(FEATURES):
        if feature.unit in _COUNTED:
            made[:, column] = np.sign(made[:, column]) * np.log1p(np.abs(made[:, column]))
    deviation = made.std(axis=0)
    made = (made - made.mean(axis=0)) / np.where(deviation > 0, deviation, 1.0)
    return np.clip(made, -FARTHEST_DEVIATIONS, FARTHEST_DEVIATIONS).astype(np.float32)


def together(*parts: Float32) -> Float32:
    """Features side by side, [n, sum of d], each part scaled to a total variance of 1: equals in rank."""
    scaled = [
        (part - part.mean(axis=0)) / max(float(np.sqrt(part.var(axis=0).sum())), 1e-12) for part in parts
    ]
    return np.concatenate(scaled, axis=1, dtype=np.float32)


def pixels(windows: EvaluatedWindows, seed: int = 0, on_windows: OnWindows = lambda _: None) -> Float32:
    """The first 128 principal components of the windows' pixels, not scaled, [n, up to 128].

    Fitted on 2,048 windows drawn at random where there are more: 128 MiB, three times while it lasts.
    """
    count = len(windows)
    drawn = np.arange(count)
    if count > PIXEL_PCA_WINDOWS:
        drawn = np.sort(np.random.default_rng(seed).choice(count, PIXEL_PCA_WINDOWS, replace=False))
    fitted_on = windows.values[drawn].reshape(len(drawn), -1).astype(np.float32)
    mean, components = _principal_components(fitted_on)

    def project(batch: Float32) -> Float32:
        return np.subtract(batch.reshape(len(batch), -1), mean) @ components.T

    return _by_batch(windows, project, len(components), on_windows)


def _principal_components(rows: Float32) -> tuple[Float32, Float32]:
    """Mean [d] and components [up to 128, d] of rows [n, d], n far below d: by way of the n x n products."""
    from scipy.linalg import eigh
    from threadpoolctl import threadpool_limits

    mean = rows.mean(axis=0)
    rows -= mean
    count = min(PIXEL_COMPONENTS, len(rows) - 1)
    with threadpool_limits(1):
        products: NDArray[np.float64] = (rows @ rows.T).astype(np.float64)
        squares, vectors = eigh(products, subset_by_index=(len(rows) - count, len(rows) - 1))
        # Largest first; what has no variance has no direction either.
        found = np.flatnonzero(squares > 1e-6 * max(float(squares[-1]), 1e-12))[::-1]
        if not found.size:
            return mean, np.zeros((1, rows.shape[1]), dtype=np.float32)
        scaled = (vectors[:, found] / np.sqrt(squares[found])).astype(np.float32)
        components = np.asarray(scaled.T @ rows, dtype=np.float32)
    return mean, components


def _by_batch(
    windows: EvaluatedWindows, make: Callable[[Float32], Float32], dimensions: int, on_windows: OnWindows
) -> Float32:
    features = np.empty((len(windows), dimensions), dtype=np.float32)
    done = 0
    for batch in windows.batches():
        features[done : done + len(batch)] = make(batch)
        done += len(batch)
        on_windows(len(batch))
    return read_only(features)
