"""The band model: what kinds of activity one band of one node shows, and how usual a window is there."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from ..pipeline.errors import BadInput
from ..pipeline.frames import Float32, Int64, read_only
from ..pipeline.state import State
from .activity_facts import KIND, VERSION, checked_facts, read_facts
from .assigning import Assigning
from .clustering import Projection
from .geometry import Geometry
from .novelty import Usual
from .stated import Stated
from .tensor_file import checked_tensors, read_arrays, sha256_of, write_atomically, write_tensors

ARRAYS_FILE, FACTS_FILE = "activity.safetensors", "activity.yaml"
USUAL_ARRAYS = ("components", "middles", "whitening", "outside", "calibration")
USUAL_PREFIX = "usual_"


@dataclass(frozen=True, eq=False)  # no slots: what is derived once is kept beside the fields
class BandModel:
    """Principal components, k-means centres and what is usual in one band; immutable.

    `centres` float32 [k, c] lie in the projection's space; `clusters` int64 [k] are the numbers they go by,
    which a re-fit keeps; of this and the models before it, `numbers_used` numbers were given out, from 0 on.
    No window of the band was farther from its centre than `farthest`, by models that had not seen it.
    `usual` says how novel a window of a cluster is; `windows` is how many had been heard when the model was
    fitted. `name` tells it from every other.
    """

    name: str
    geometry: Geometry
    windows: int
    projection: Projection
    centres: Float32
    clusters: Int64
    numbers_used: int
    farthest: float
    usual: Usual

    @property
    def cluster_count(self) -> int:
        return self.centres.shape[0]

    def points(self, features: Float32) -> Float32:
        """Features [n, d] in the space of the principal components, [n, c]."""
        return self.projection.points(features)

    def assign(self, features: Float32) -> tuple[Int64, Float32, Float32]:
        """The cluster of each window, its distance from the centre, and how novel it is.

        Shape: float32 [n, d] -> int64 [n], float32 [n], float32 [n] in [0, 1]. A row's answer does not
        depend on the other rows. The cluster is that of the nearest centre, the distance Euclidean in the
        space of the principal components. The novelty is of another distance, which knows the shape of the
        cluster and all of the features (`Usual`): of usual windows at most a share p has one of 1 - p or
        more.

        Raises BadInput for features of another number of dimensions, or not finite.
        """
        if features.ndim != 2 or features.shape[1] != self.projection.dimensions:
            raise BadInput(
                f"band model {self.name}: features of shape {list(features.shape)}, "
                f"needs [n, {self.projection.dimensions}]"
            )
        numbers: list[int] = []
        distances: list[float] = []
        novelties: list[float] = []
        for index, distance, unusual in self._assigning(features):
            numbers.append(self._numbers[index])
            distances.append(distance)
            novelties.append(self.usual.novelty(unusual))
            if math.isnan(unusual):
                raise BadInput(f"band model {self.name}: features hold NaN or infinity")
        return np.array(numbers, np.int64), np.array(distances, np.float32), np.array(novelties, np.float32)

    @cached_property
    def _numbers(self) -> list[int]:
        return self.clusters.tolist()

    @cached_property
    def _assigning(self) -> Assigning:
        return Assigning(self.projection, self.centres, self.usual)

    def check(self, geometry: Geometry) -> None:
        """BadInput unless the band is measured as this model's was."""
        if not self.geometry.same_measure(geometry):
            raise BadInput(
                f"band model {self.geometry.node}/{self.geometry.band} was fitted on {self.geometry}; "
                f"{geometry.node}/{geometry.band} has {geometry}: fit it anew"
            )

    def save(self, folder: Path) -> None:
        """Write `activity.safetensors` and `activity.yaml` into a folder, made if need be.

        The second names the first's SHA-256: a crash between the two is found out by `load`.
        """
        folder.mkdir(parents=True, exist_ok=True)
        write_tensors(folder / ARRAYS_FILE, self._arrays())
        facts = self._facts() | {"sha256": sha256_of(folder / ARRAYS_FILE)}
        write_atomically(folder / FACTS_FILE, yaml.safe_dump(facts, sort_keys=False).encode())

    @classmethod
    def load(cls, folder: Path) -> BandModel:
        """Read what `save` wrote; BadInput, one line, if anything about it is not right."""
        facts = read_facts(folder / FACTS_FILE)
        path = folder / ARRAYS_FILE
        if sha256_of(path) != facts.get("sha256"):
            raise BadInput(f"{path}: is not the file that {FACTS_FILE} was written for")
        return cls._of(str(path), facts, read_arrays(path))

    def state(self) -> State:
        """The facts and arrays that `save` writes, as values."""
        return self._facts() | {"arrays": self._arrays()}

    @classmethod
    def of_state(cls, state: State) -> BandModel:
        """The model that gave `state`; BadInput, one line, if anything about it is not right."""
        kept = Stated("band model", state)
        where = str(kept)
        return cls._of(where, checked_facts(where, state), kept.named_arrays("arrays"))

    def _facts(self) -> dict[str, Any]:
        return {
            "version": VERSION,
            "kind": KIND,
            "name": self.name,
            "windows": self.windows,
            "geometry": asdict(self.geometry),
            "dimensions": self.projection.dimensions,
            "components": self.projection.component_count,
            "clusters": self.cluster_count,
            "numbers_used": self.numbers_used,
            "farthest": self.farthest,
            "novelty_components": self.usual.component_count,
            "calibration": int(self.usual.calibration.size),
            "disjoint": self.usual.disjoint,
        }

    def _arrays(self) -> dict[str, NDArray[Any]]:
        arrays = {field.name: getattr(self.projection, field.name) for field in fields(self.projection)}
        usual = {USUAL_PREFIX + name: getattr(self.usual, name) for name in USUAL_ARRAYS}
        return arrays | usual | {"centres": self.centres, "clusters": self.clusters}

    @classmethod
    def _of(cls, where: str, facts: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> BandModel:
        """Facts that were checked and arrays that were not; `where` begins the messages."""
        d, c, k = (facts[name] for name in ("dimensions", "components", "clusters"))
        w, m = facts["novelty_components"], facts["calibration"]
        clusters = arrays.get("clusters", np.zeros(0))
        if clusters.dtype != np.int64 or clusters.shape != (k,):
            raise BadInput(
                f"{where}: array 'clusters' is {clusters.dtype} {list(clusters.shape)}, needs int64 [{k}]"
            )
        if len(np.unique(clusters)) != k or clusters.min() < 0:
            raise BadInput(f"{where}: cluster numbers are not distinct, or negative")
        if clusters.max() >= facts["numbers_used"]:
            raise BadInput(
                f"{where}: cluster number {clusters.max()}, but numbers_used is {facts['numbers_used']}"
            )
        shapes = {
            "mean": (d,),
            "components": (c, d),
            "scale": (c,),
            "variance_ratio": (c,),
            "centres": (k, c),
            USUAL_PREFIX + "components": (w, d),
            USUAL_PREFIX + "middles": (k, w),
            USUAL_PREFIX + "whitening": (k, w, w),
            USUAL_PREFIX + "outside": (1,),
            USUAL_PREFIX + "calibration": (m,),
        }
        tensors = checked_tensors(where, arrays, shapes, besides=("clusters",))
        if not (tensors["scale"] > 0).all():
            raise BadInput(f"{where}: array 'scale' holds {tensors['scale'].min():g}, needs numbers above 0")
        usual = {name: tensors[USUAL_PREFIX + name] for name in USUAL_ARRAYS}
        if (np.diff(usual["calibration"]) < 0).any():
            raise BadInput(f"{where}: array 'usual_calibration' is not ascending")
        if usual["outside"][0] < 0:
            raise BadInput(f"{where}: array 'usual_outside' holds {usual['outside'][0]:g}, needs at least 0")
        return cls(
            name=facts["name"],
            geometry=facts["geometry"],
            windows=facts["windows"],
            projection=Projection(**{field.name: tensors[field.name] for field in fields(Projection)}),
            centres=tensors["centres"],
            clusters=read_only(clusters),
            numbers_used=facts["numbers_used"],
            farthest=facts["farthest"],
            usual=Usual(**usual, disjoint=facts["disjoint"]),
        )


def model_name(geometry: Geometry, windows: int, centres: Float32, calibration: Float32) -> str:
    """`band-windows-digest`: the digest tells models of equal length apart."""
    digest = hashlib.sha256(centres.tobytes() + calibration.tobytes()).hexdigest()
    return f"{geometry.band}-{windows}-{digest[:8]}"
