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
from .clustering import Centres, Projection
from .geometry import Geometry
from .stated import Stated
from .tensor_file import checked_tensors, read_arrays, sha256_of, write_atomically, write_tensors

ARRAYS_FILE, FACTS_FILE = "activity.safetensors", "activity.yaml"


@dataclass(frozen=True, eq=False)  # no slots: what is derived once is kept beside the fields
class BandModel:
    """Principal components, k-means centres and the usual distances of one band; immutable.

    `centres` float32 [k, c] lie in the projection's space; `clusters` int64 [k] are the numbers they go by,
    which a re-fit keeps; of this and the models before it, `numbers_used` numbers were given out, from 0 on.
    `calibration` float32 [m], ascending, are distances of windows of this band that
    the model was not fitted on; `windows` is how many had been heard when it was fitted. `name` tells it
    from every other.
    """

    name: str
    geometry: Geometry
    windows: int
    projection: Projection
    centres: Float32
    clusters: Int64
    numbers_used: int
    calibration: Float32

    @property
    def cluster_count(self) -> int:
        return self.centres.shape[0]

    def points(self, features: Float32) -> Float32:
        """Features [n, d] in the space of the principal components, [n, c]."""
        return self.projection.points(features)

    def assign(self, features: Float32) -> tuple[Int64, Float32, Float32]:
        """The cluster of each window, its distance from the centre, and how novel it is.

        Shape: float32 [n, d] -> int64 [n], float32 [n], float32 [n] in [0, 1]. A row's answer does not
        depend on the other rows. Novelty is 1 - p, p = (1 + number of calibration distances not below
        this one) / (m + 1): the conformal p-value, so that of usual windows at most a share p has a
        novelty of 1 - p or more (Laxhammar and Falkman 2015, section 3).

        Raises BadInput for features of another number of dimensions, or not finite.
        """
        if features.ndim != 2 or features.shape[1] != self.projection.dimensions:
            raise BadInput(
                f"band model {self.name}: features of shape {list(features.shape)}, "
                f"needs [n, {self.projection.dimensions}]"
            )
        # A sum of squares is finite only if all are, and five times cheaper to ask; it may overflow.
        if not math.isfinite(np.vdot(features, features)) and not np.isfinite(features).all():
            raise BadInput(f"band model {self.name}: features hold NaN or infinity")
        indices, distances = self._search.nearest(self.projection.points(features))
        return self.clusters[indices], distances, self.novelty(distances)

    def novelty(self, distances: Float32) -> Float32:
        """1 - conformal p of distances [n]."""
        return self._novelties[self.calibration.searchsorted(distances)]

    @cached_property
    def _novelties(self) -> Float32:
        """The novelty of a distance above so many of the calibration's: float32 [m + 1]."""
        not_below = self.calibration.size - np.arange(self.calibration.size + 1)
        return read_only((1 - (1 + not_below) / (1 + self.calibration.size)).astype(np.float32))

    @cached_property
    def _search(self) -> Centres:
        return Centres.of(self.centres)

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
            "calibration": int(self.calibration.size),
        }

    def _arrays(self) -> dict[str, NDArray[Any]]:
        arrays = {field.name: getattr(self.projection, field.name) for field in fields(self.projection)}
        return arrays | {"centres": self.centres, "clusters": self.clusters, "calibration": self.calibration}

    @classmethod
    def _of(cls, where: str, facts: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> BandModel:
        """Facts that were checked and arrays that were not; `where` begins the messages."""
        d, c, k, m = (facts[name] for name in ("dimensions", "components", "clusters", "calibration"))
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
            "calibration": (m,),
        }
        tensors = checked_tensors(where, arrays, shapes, besides=("clusters",))
        if not (tensors["scale"] > 0).all():
            raise BadInput(f"{where}: array 'scale' holds {tensors['scale'].min():g}, needs numbers above 0")
        if (np.diff(tensors["calibration"]) < 0).any():
            raise BadInput(f"{where}: array 'calibration' is not ascending")
        return cls(
            name=facts["name"],
            geometry=facts["geometry"],
            windows=facts["windows"],
            projection=Projection(**{field.name: tensors[field.name] for field in fields(Projection)}),
            centres=tensors["centres"],
            clusters=read_only(clusters),
            numbers_used=facts["numbers_used"],
            calibration=tensors["calibration"],
        )


def model_name(geometry: Geometry, windows: int, centres: Float32, calibration: Float32) -> str:
    """`band-windows-digest`: the digest tells models of equal length apart."""
    digest = hashlib.sha256(centres.tobytes() + calibration.tobytes()).hexdigest()
    return f"{geometry.band}-{windows}-{digest[:8]}"
