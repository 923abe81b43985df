"""The experts that the default forecaster is mixed from, fitted on a growing run of origins."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh

from ...pipeline.frames import Float32
from ..ridge_solving import Float64, NormalEquations
from .default_curves import CURVES, STRENGTH, Curves
from .default_inputs import LAGS, MEAN_24, SEASON_CHANGES, SEASON_LEVEL, InputReader, Inputs
from .forecaster import HORIZON_STEPS

OWN_STRENGTH = 1e-2
COLUMN_STRENGTH = 1.0
BAND_STRENGTH = 0.03
BAND_SCORES = 64
CURVE_SAMPLES = 100_000


@dataclass(frozen=True, slots=True, eq=False)
class Band:
    """Low-rank view of the band's inputs: `basis` [D, k] of inputs over `scale` [D], `weights` [k, 12 C]."""

    scale: Float32
    basis: Float32
    weights: Float32

    def change(self, inputs: Inputs) -> Float32:
        """In dB. Shape: [m, C, 12]."""
        flat = np.matmul((inputs.band / self.scale) @ self.basis, self.weights, dtype=np.float32)
        return flat.reshape(len(flat), HORIZON_STEPS, -1).transpose(0, 2, 1)


@dataclass(frozen=True, slots=True, eq=False)
class Mixture:
    """Experts mixed: all that is linear in a column's own inputs is one map, `own` float32 [C, d, 12]."""

    own: Float32
    band: Band
    curves: Curves

    def change(self, inputs: Inputs) -> Float32:
        """In dB. Shape: [m, C, 12]."""
        return _each_column(inputs.own, self.own) + self.band.change(inputs) + self.curves.change(inputs)


@dataclass(frozen=True, slots=True, eq=False)
class Experts:
    """Those fitted on some origins. `linear` [C, d, 12] by name; `band` comes on top of the linear "own"."""

    linear: dict[str, Float64]
    band: Band
    curves: Curves

    @property
    def names(self) -> list[str]:
        return [*self.linear, "band", "curves"]

    def changes(self, inputs: Inputs) -> Iterator[Float32]:
        """What each says, in the order of `names`. Shape: each [m, C, 12]."""
        for weights in self.linear.values():
            yield _each_column(inputs.own, weights)
        yield _each_column(inputs.own, self.linear["own"]) + self.band.change(inputs)
        yield self.curves.change(inputs)

    def mixed(self, mix: Float64) -> Mixture:
        """What says the mix [12, k] of them."""
        shares = dict(zip(self.names, mix.T, strict=True))  # [12] each
        own = self.linear["own"] * shares["band"]
        for name, weights in self.linear.items():
            own = own + weights * shares[name]
        each = np.repeat(shares["band"], len(own))  # [12 C], horizon by horizon
        return Mixture(
            own.astype(np.float32),
            replace(self.band, weights=(self.band.weights * each).astype(np.float32)),
            replace(self.curves, weights=(self.curves.weights * shares["curves"]).astype(np.float32)),
        )


class ExpertFitting:
    """Adds origins in their order; `fitted` is what they gave so far.

    `change` [m, C, 12] in dB is what came of all origins; the `first` so many tell the columns' scales.
    """

    def __init__(self, reader: InputReader, inputs: Inputs, change: Float32, first: int, seed: int) -> None:
        self._reader, self._inputs, self._change = reader, inputs, change
        columns, d = inputs.own.shape[1:]
        self._own = NormalEquations.empty(d, HORIZON_STEPS)
        self._even = NormalEquations.empty(d, HORIZON_STEPS)
        self._gram = np.zeros((columns, d, d))
        self._moment = np.zeros((columns, d, HORIZON_STEPS))
        self._curves = _unfitted(inputs, first, seed)
        self._mix = NormalEquations.empty(len(self._curves.centre) + CURVES, HORIZON_STEPS)
        self._stride = max(1, len(change) * columns // CURVE_SAMPLES)
        self._added = 0

    def add_until(self, end: int) -> None:
        """Learn from origins up to, not including, the `end`-th."""
        for start in range(self._added, end, 256):
            self._add(slice(start, min(start + 256, end)))
        self._added = max(self._added, end)

    def _add(self, part: slice) -> None:
        inputs = self._inputs.part(part)
        change, spread = self._change[part], self._curves.spread(inputs)[:, :, np.newaxis]
        by_column, changes = inputs.own.transpose(1, 2, 0), change.transpose(1, 0, 2)
        gram, moment = by_column @ by_column.transpose(0, 2, 1), by_column @ changes
        self._gram += gram
        self._moment += moment
        self._own.gram += gram.sum(axis=0)
        self._own.moment += moment.sum(axis=0)
        self._own.samples += change.shape[0] * change.shape[1]
        self._even.add(_rows(inputs.own / spread), _rows(change / spread))
        few = slice((-(part.start or 0)) % self._stride, None, self._stride)
        thin = inputs.part(few)
        root = np.sqrt(spread[few])
        self._mix.add(_rows(self._curves.design(thin) * root), _rows(change[few] / root))

    def fitted(self) -> Experts:
        """From the origins added so far."""
        columns, d = self._inputs.own.shape[1:]
        own = self._own.solve(OWN_STRENGTH)
        lags = np.zeros((d, HORIZON_STEPS))
        lags[LAGS] = NormalEquations(self._own.gram[LAGS, LAGS], self._own.moment[LAGS]).solve(OWN_STRENGTH)
        level = np.zeros((d, HORIZON_STEPS))
        level[MEAN_24] = 1
        shared = {"mean-24": level, "nlinear": lags, "own": own, "even": self._even.solve(OWN_STRENGTH)}
        if self._reader.period is not None:
            shared["seasonal"] = np.zeros((d, HORIZON_STEPS))
            shared["seasonal"][SEASON_CHANGES] = np.eye(HORIZON_STEPS)
            shared["seasonal"][SEASON_LEVEL] = 1
        linear = {name: np.broadcast_to(each, (columns, d, HORIZON_STEPS)) for name, each in shared.items()}
        linear["columns"] = own + self._of_columns(own)
        weights = self._mix.solve(STRENGTH).astype(np.float32)
        return Experts(linear, self._band(own), replace(self._curves, weights=weights))

    def _of_columns(self, own: Float64) -> Float64:
        """What each column adds to the map of all. Shape: [C, d, 12]."""
        rest = self._moment - self._gram @ own
        diagonal = np.diagonal(self._gram, axis1=1, axis2=2)  # [C, d]
        penalty = COLUMN_STRENGTH * diagonal + 1e-6 * diagonal.mean() + 1e-9
        return np.linalg.solve(self._gram + penalty[:, :, np.newaxis] * np.eye(own.shape[0]), rest)

    def _band(self, own: Float64) -> Band:
        """Ridge of what "own" leaves on the first principal components of the band's inputs."""
        n = self._added
        inputs = self._inputs.band[:n].astype(np.float64)
        rest = self._change[:n] - self._inputs.own[:n] @ own.astype(np.float32)
        scale = np.sqrt(np.square(inputs).mean(axis=0))
        scale = np.maximum(scale, 0.1 * np.sqrt(np.square(scale).mean())) + 1e-9
        scale *= inputs.shape[1] ** 0.5
        inputs = inputs / scale
        basis = _principal(inputs, BAND_SCORES)
        scores = inputs @ basis
        gram = scores.T @ scores + BAND_STRENGTH * n * np.eye(scores.shape[1])
        weights = np.linalg.solve(gram, scores.T @ rest.transpose(0, 2, 1).reshape(n, -1))
        return Band(scale.astype(np.float32), basis.astype(np.float32), weights.astype(np.float32))


def _principal(x: Float64, most: int) -> Float64:
    """The directions of most square, at most so many. Shape: [n, D] -> [D, k]."""
    dual = len(x) < x.shape[1]
    product = x @ x.T if dual else x.T @ x
    size = len(product)
    values, vectors = eigh(product, subset_by_index=[max(0, size - most), size - 1])
    keep = values > 1e-9 * max(values[-1], 1e-30)
    vectors = vectors[:, keep]
    return (x.T @ vectors) / np.sqrt(values[keep]) if dual else vectors


def _unfitted(inputs: Inputs, first: int, seed: int) -> Curves:
    """Random curves with zero weights, scaled by the first origins."""
    step_db = np.abs(inputs.own[:first, :, LAGS.stop - 1]).mean(axis=0)  # of one row to the next
    seen = inputs.part(slice(0, first, max(1, first * len(step_db) // 20_000)))
    empty = np.zeros(0, np.float32)
    start = Curves(step_db, empty, empty, empty, empty, empty)
    scaled = _rows(Curves.scaled(seen, step_db, start.spread(seen)))
    random = np.random.default_rng(seed)
    e = scaled.shape[1]
    direction = random.normal(size=(e, CURVES)) / e**0.5
    return Curves(
        step_db=step_db,
        centre=scaled.mean(axis=0),
        width=scaled.std(axis=0) + np.float32(1e-3),
        direction=direction.astype(np.float32),
        offset=random.normal(size=CURVES).astype(np.float32),
        weights=np.zeros((e + CURVES, HORIZON_STEPS), np.float32),
    )


def _each_column(own: Float32, weights: NDArray[np.floating]) -> Float32:
    """Shape: [m, C, d], [C, d, 12] -> [m, C, 12]."""
    product = np.matmul(own.transpose(1, 0, 2), weights, dtype=np.float32, casting="same_kind")
    return product.transpose(1, 0, 2)


def _rows(part: NDArray[np.floating]) -> NDArray[np.floating]:
    """Shape: [m, C, k] -> [m C, k]."""
    return part.reshape(-1, part.shape[-1])
