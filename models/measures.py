"""Hand-made features beside an encoder's: made comparable once, the same for every band. No torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..pipeline.errors import BadInput
from ..pipeline.frames import Float32, read_only
from .tensor_file import checked_tensors, read_arrays, write_tensors
from .window_features import FEATURES, window_features

MEASURES_FILE = "measures.safetensors"
FARTHEST_DEVIATIONS = 5.0
_COUNTED = frozenset({"rows", "bins", "count"})
_IS_COUNTED = np.array([feature.unit in _COUNTED for feature in FEATURES])


@dataclass(frozen=True, slots=True, eq=False)
class Measures:
    """The 35 hand-made features of a window, on one scale with an encoder's.

    `mean` and `deviation` float32 [35] are of the windows that taught the encoder, counts and lengths as
    logarithms; `weight` float32 [1] is the size of a deviation among the encoder's features.
    """

    mean: Float32
    deviation: Float32
    weight: Float32

    @property
    def dimensions(self) -> int:
        return len(FEATURES)

    def features(self, windows: Float32) -> Float32:
        """Shape: [n, 128, 128] in [0, 1] -> float32 [n, 35]; none farther than 5 deviations from 0."""
        away = (graded(window_features(windows)) - self.mean) / self.deviation
        return np.clip(away, -FARTHEST_DEVIATIONS, FARTHEST_DEVIATIONS).astype(np.float32) * self.weight

    def save(self, folder: Path) -> None:
        """Write `measures.safetensors`."""
        arrays = {"mean": self.mean, "deviation": self.deviation, "weight": self.weight}
        write_tensors(folder / MEASURES_FILE, arrays)

    @classmethod
    def load(cls, path: Path) -> Measures:
        """Read what `save` wrote; BadInput, one line, for any other file."""
        count = len(FEATURES)
        shapes = {"mean": (count,), "deviation": (count,), "weight": (1,)}
        found = checked_tensors(str(path), read_arrays(path), shapes)
        if not (found["deviation"] > 0).all() or not found["weight"][0] > 0:
            raise BadInput(f"{path}: deviations and weight hold numbers of 0 or less, needs numbers above 0")
        return cls(**found)


def fit_measures(measured: Float32, encoded: Float32, share: float) -> Measures:
    """Of the same windows' hand-made features [n, 35] and encoder's [m, d]: the total variance of the first
    becomes `share` squared of the second's."""
    mean, deviation = standard(measured)
    comparable = np.clip(
        (graded(measured) - mean) / deviation, -FARTHEST_DEVIATIONS, FARTHEST_DEVIATIONS
    )
    size = np.sqrt(encoded.var(axis=0, dtype=np.float64).sum() / comparable.var(axis=0).sum())
    return Measures(
        read_only(mean.astype(np.float32)),
        read_only(deviation.astype(np.float32)),
        read_only(np.array([share * size], dtype=np.float32)),
    )


def graded(measured: Float32) -> np.ndarray:
    """Hand-made features [n, 35] with counts and lengths as logarithms: from one burst to two is as far as
    from ten to twenty."""
    made = measured.astype(np.float64)
    made[:, _IS_COUNTED] = np.sign(made[:, _IS_COUNTED]) * np.log1p(np.abs(made[:, _IS_COUNTED]))
    return made


def standard(measured: Float32) -> tuple[np.ndarray, np.ndarray]:
    """Mean and deviation of each as `graded`, 1 where there is none, float64 [35] each."""
    made = graded(measured)
    deviation = made.std(axis=0)
    return made.mean(axis=0), np.where(deviation > 0, deviation, 1.0)
