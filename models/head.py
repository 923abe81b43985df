"""The linear layer over the encoder that names its final clusters, kept in a bundle. No torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..pipeline.errors import BadInput
from ..pipeline.frames import Float32, Int64
from .clustering import Projection, nearest
from .tensor_file import checked_tensors, read_arrays, write_tensors

HEAD_FILE = "head.safetensors"


@dataclass(frozen=True, slots=True, eq=False)
class Head:
    """The training's own clusters of features [n, d], twice: by a linear layer and by k-means.

    `weight` float32 [k, d] and `bias` float32 [k]: cluster c's score is `features @ weight[c] + bias[c]`,
    which gradients can be taken of. `projection` and `centres` float32 [k, c] are the last k-means'. Row c
    is cluster c in both, and for most windows of a cluster its score is the highest (`head_agreement` in the
    manifest's figures). A band model's clusters are others, with numbers of their own.
    """

    weight: Float32
    bias: Float32
    projection: Projection
    centres: Float32

    @property
    def cluster_count(self) -> int:
        return self.weight.shape[0]

    @property
    def dimensions(self) -> int:
        """Of the features."""
        return self.weight.shape[1]

    def scores(self, features: Float32) -> Float32:
        """Shape: [n, d] -> [n, k]."""
        return features @ self.weight.T + self.bias

    def clusters(self, features: Float32) -> Int64:
        """The cluster whose score is highest. Shape: [n, d] -> int64 [n]."""
        return self.scores(features).argmax(axis=1).astype(np.int64)

    def nearest(self, features: Float32) -> Int64:
        """The k-means' cluster. Shape: [n, d] -> int64 [n]."""
        return nearest(self.projection.points(features), self.centres)[0]

    def save(self, folder: Path) -> None:
        """Write `head.safetensors`."""
        arrays = {
            "weight": self.weight,
            "bias": self.bias,
            "centres": self.centres,
            "pca.mean": self.projection.mean,
            "pca.components": self.projection.components,
            "pca.scale": self.projection.scale,
            "pca.variance_ratio": self.projection.variance_ratio,
        }
        write_tensors(folder / HEAD_FILE, arrays)

    @classmethod
    def load(cls, path: Path, dimensions: int) -> Head:
        """Read a head over features of so many dimensions; BadInput, one line, for any other file."""
        arrays = read_arrays(path)
        sizes: dict[str, int] = {}
        for name in ("weight", "centres"):
            shape = arrays[name].shape if name in arrays else ()
            if len(shape) != 2 or 0 in shape:
                raise BadInput(f"{path}: array {name!r} has shape {list(shape)}, needs two dimensions")
            sizes[name] = shape[0]
            sizes["components"] = shape[1]
        k, c = sizes["weight"], sizes["components"]
        shapes: dict[str, tuple[int, ...]] = {
            "weight": (k, dimensions),
            "bias": (k,),
            "centres": (k, c),
            "pca.mean": (dimensions,),
            "pca.components": (c, dimensions),
            "pca.scale": (c,),
            "pca.variance_ratio": (c,),
        }
        found = checked_tensors(str(path), arrays, shapes)
        if not (found["pca.scale"] > 0).all():
            least = float(found["pca.scale"].min())
            raise BadInput(f"{path}: array 'pca.scale' holds {least:g}, needs numbers above 0")
        projection = Projection(
            found["pca.mean"], found["pca.components"], found["pca.scale"], found["pca.variance_ratio"]
        )
        return cls(found["weight"], found["bias"], projection, found["centres"])
