"""Recordings for tests: small ones written anew, and the real ones where they are on this machine."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import yaml

import bandwatch

DATA = Path(
    os.environ.get("BANDWATCH_DATA") or Path(bandwatch.__file__).resolve().parents[1] / "shared" / "data"
)

AXES = {
    "start": "2026-01-31T12:00:00Z",
    "step_seconds": 0.5,
    "first_hz": 868.0e6,
    "bin_hz": 1000.0,
    "unit": "dBm/bin",
}


def real(name: str) -> Path:
    """A recording of the shared data; the test is skipped, and says why, where it is absent."""
    path = DATA / name
    if not path.exists():
        pytest.skip(f"{path} is not on this machine; BANDWATCH_DATA says where the recordings are")
    return path


def write_sidecar(path: Path, **changes: Any) -> Path:
    """The sidecar of a recording: `AXES` with changes; a key changed to None is left out."""
    keys = {key: value for key, value in (AXES | changes).items() if value is not None}
    path.with_name(path.name + ".yaml").write_text(yaml.safe_dump(keys))
    return path


def write_recording(path: Path, values: Any, *, times: Any = None, **changes: Any) -> Path:
    """A matrix `power` in the format of the path's suffix, row times `times` with it; and its sidecar."""
    values = np.asarray(values)
    match path.suffix:
        case ".npy":
            np.save(path, values, allow_pickle=False)
        case ".npz":
            arrays = {"power": values} if times is None else {"power": values, "times": np.asarray(times)}
            np.savez_compressed(path, **arrays)
        case ".csv":
            path.write_text("".join(",".join(repr(float(v)) for v in row) + "\n" for row in values))
        case _:
            with h5py.File(path, "w") as file:
                file["power"] = values
                if times is not None:
                    file["times"] = np.asarray(times)
    if times is not None:
        changes = {"start": None, "step_seconds": None, "time_unix": "times"} | changes
    return write_sidecar(path, **changes)


def levels(rows: int = 10, bins: int = 4, seed: int = 0) -> np.ndarray:
    """Noise around -100, float32 [rows, bins]."""
    return np.random.default_rng(seed).normal(-100, 3, (rows, bins)).astype(np.float32)
