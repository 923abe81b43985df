"""The band model: what kinds of activity one band of one node shows, and how usual a window is there."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from ..pipeline.errors import BadInput
from ..pipeline.frames import POWER_UNITS, Float32, Int64, read_only
from .clustering import Projection, nearest
from .tensor_file import read_arrays, read_bytes, read_tensors, sha256_of, write_atomically, write_tensors

ARRAYS_FILE, FACTS_FILE = "activity.safetensors", "activity.yaml"
VERSION = 2
BIN_HZ_TOLERANCE = 1e-6
FIRST_BIN_TOLERANCE = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Geometry:
    """What the windows of a band are cut from.

    `unit` is that of the rows, `first_hz` the centre of their lowest bin, `segments` the windows of one
    moment.
    """

    node: str
    band: str
    unit: str
    bins: int
    first_hz: float
    bin_hz: float
    segments: int

    def __str__(self) -> str:
        return (
            f"{self.bins} bins of {self.bin_hz:g} Hz from {self.first_hz / 1e6:.10g} MHz in {self.unit}, "
            f"{self.segments} segments"
        )

    def same_measure(self, other: Geometry) -> bool:
        """Whether windows of both mean the same, whatever node and band are called.

        The lowest bins may be half a bin apart, as tuners round; the bins' widths a millionth.
        """
        return (
            (self.unit, self.bins, self.segments) == (other.unit, other.bins, other.segments)
            and bool(np.isclose(self.bin_hz, other.bin_hz, rtol=BIN_HZ_TOLERANCE, atol=0))
            and abs(self.first_hz - other.first_hz) <= FIRST_BIN_TOLERANCE * self.bin_hz
        )


@dataclass(frozen=True, slots=True, eq=False)
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
        if not np.isfinite(features).all():
            raise BadInput(f"band model {self.name}: features hold NaN or infinity")
        indices, distances = nearest(self.points(features), self.centres)
        return self.clusters[indices], distances, self.novelty(distances)

    def novelty(self, distances: Float32) -> Float32:
        """1 - conformal p of distances [n]."""
        not_below = self.calibration.size - np.searchsorted(self.calibration, distances, side="left")
        return (1 - (1 + not_below) / (1 + self.calibration.size)).astype(np.float32)

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
        arrays = {field.name: getattr(self.projection, field.name) for field in fields(self.projection)}
        arrays |= {"centres": self.centres, "clusters": self.clusters, "calibration": self.calibration}
        write_tensors(folder / ARRAYS_FILE, arrays)
        facts = {
            "version": VERSION,
            "kind": "activity",
            "name": self.name,
            "windows": self.windows,
            "geometry": asdict(self.geometry),
            "dimensions": self.projection.dimensions,
            "components": self.projection.component_count,
            "clusters": self.cluster_count,
            "numbers_used": self.numbers_used,
            "calibration": int(self.calibration.size),
            "sha256": sha256_of(folder / ARRAYS_FILE),
        }
        write_atomically(folder / FACTS_FILE, yaml.safe_dump(facts, sort_keys=False).encode())

    @classmethod
    def load(cls, folder: Path) -> BandModel:
        """Read what `save` wrote; BadInput, one line, if anything about it is not right."""
        facts = _read_facts(folder / FACTS_FILE)
        path = folder / ARRAYS_FILE
        if sha256_of(path) != facts["sha256"]:
            raise BadInput(f"{path}: is not the file that {FACTS_FILE} was written for")
        d, c, k, m = (facts[name] for name in ("dimensions", "components", "clusters", "calibration"))
        clusters = read_arrays(path).get("clusters", np.zeros(0))
        if clusters.dtype != np.int64 or clusters.shape != (k,):
            raise BadInput(
                f"{path}: array 'clusters' is {clusters.dtype} {list(clusters.shape)}, needs int64 [{k}]"
            )
        if len(np.unique(clusters)) != k or clusters.min() < 0:
            raise BadInput(f"{path}: cluster numbers are not distinct, or negative")
        if clusters.max() >= facts["numbers_used"]:
            raise BadInput(
                f"{path}: cluster number {clusters.max()}, but numbers_used is {facts['numbers_used']}"
            )
        arrays = read_tensors(
            path,
            {
                "mean": (d,),
                "components": (c, d),
                "scale": (c,),
                "variance_ratio": (c,),
                "centres": (k, c),
                "calibration": (m,),
            },
            besides=("clusters",),
        )
        if not (arrays["scale"] > 0).all():
            raise BadInput(f"{path}: array 'scale' holds {arrays['scale'].min():g}, needs numbers above 0")
        if (np.diff(arrays["calibration"]) < 0).any():
            raise BadInput(f"{path}: array 'calibration' is not ascending")
        return cls(
            name=facts["name"],
            geometry=facts["geometry"],
            windows=facts["windows"],
            projection=Projection(**{field.name: arrays[field.name] for field in fields(Projection)}),
            centres=arrays["centres"],
            clusters=read_only(clusters),
            numbers_used=facts["numbers_used"],
            calibration=arrays["calibration"],
        )


def model_name(geometry: Geometry, windows: int, centres: Float32, calibration: Float32) -> str:
    """`band-windows-digest`: the digest tells models of equal length apart."""
    digest = hashlib.sha256(centres.tobytes() + calibration.tobytes()).hexdigest()
    return f"{geometry.band}-{windows}-{digest[:8]}"


_FACTS: dict[str, type] = {
    "name": str,
    "windows": int,
    "geometry": dict,
    "dimensions": int,
    "components": int,
    "clusters": int,
    "numbers_used": int,
    "calibration": int,
    "sha256": str,
}
_GEOMETRY: dict[str, type] = {
    "node": str,
    "band": str,
    "unit": str,
    "bins": int,
    "first_hz": float,
    "bin_hz": float,
    "segments": int,
}
_ANY_SIGN = ("first_hz",)  # a band at baseband begins below 0 Hz


def _read_facts(path: Path) -> dict[str, Any]:
    """`activity.yaml`, every fact there and of its type, numbers above 0, the geometry as a Geometry."""
    try:
        facts = yaml.safe_load(read_bytes(path))
    except (yaml.YAMLError, UnicodeDecodeError):
        raise BadInput(f"{path}: not YAML") from None
    if not isinstance(facts, dict) or facts.get("kind") != "activity":
        raise BadInput(f"{path}: not a band model")
    if facts.get("version") != VERSION:
        raise BadInput(f"{path}: version {facts.get('version')!r}, this program reads {VERSION}")
    _check_types(path, facts, _FACTS)
    _check_types(path, facts["geometry"], _GEOMETRY)
    if facts["geometry"]["unit"] not in POWER_UNITS:
        raise BadInput(f"{path}: unit {facts['geometry']['unit']!r} is none of {', '.join(POWER_UNITS)}")
    return facts | {"geometry": Geometry(**{name: facts["geometry"][name] for name in _GEOMETRY})}


def _check_types(path: Path, facts: dict[str, Any], types: dict[str, type]) -> None:
    for name, wanted in types.items():
        value = facts.get(name)
        if not isinstance(value, wanted) or isinstance(value, bool):
            raise BadInput(f"{path}: {name} is {value!r}, needs {wanted.__name__}")
        if not isinstance(value, int | float):
            continue
        if not np.isfinite(value) or (value <= 0 and name not in _ANY_SIGN):
            needed = "a finite number" if name in _ANY_SIGN else "a number above 0"
            raise BadInput(f"{path}: {name} is {value!r}, needs {needed}")
