"""Arrays in safetensors files: written whole or not at all, read with suspicion."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from ..pipeline.errors import BadInput
from ..pipeline.frames import read_only


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file so that after a crash there is the old one or the new one, never a part."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def write_or_refuse(path: Path, content: bytes) -> None:
    """As `write_atomically`; BadInput where the disk refuses."""
    try:
        write_atomically(path, content)
    except OSError as error:
        raise BadInput(f"{path}: cannot be written: {error.strerror}") from None


def write_tensors(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write arrays by name."""
    write_atomically(path, save({name: np.ascontiguousarray(array) for name, array in arrays.items()}))


def read_bytes(path: Path) -> bytes:
    """A file's content; BadInput if it is not there or cannot be read."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise BadInput(f"{path}: no such file") from None
    except OSError as error:
        raise BadInput(f"{path}: cannot be read: {error.strerror}") from None


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, in hex; BadInput if it cannot be read."""
    return hashlib.sha256(read_bytes(path)).hexdigest()


def read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """All arrays of a safetensors file; BadInput if it is not one, or is cut short."""
    try:
        return load(read_bytes(path))
    except (SafetensorError, KeyError, ValueError, TypeError) as error:
        if isinstance(error, BadInput):
            raise
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise BadInput(f"{path}: not a whole safetensors file: {reason}") from None


def read_tensors(
    path: Path, shapes: Mapping[str, tuple[int, ...]], *, besides: Collection[str] = ()
) -> dict[str, NDArray[np.float32]]:
    """Exactly these float arrays, as float32, read-only; `besides` names arrays left to others.

    BadInput if one is missing, unknown, of another shape, not of floats, or holds NaN or infinity.
    """
    return checked_tensors(str(path), read_arrays(path), shapes, besides=besides)


def checked_tensors(
    where: str,
    arrays: Mapping[str, NDArray[Any]],
    shapes: Mapping[str, tuple[int, ...]],
    *,
    besides: Collection[str] = (),
) -> dict[str, NDArray[np.float32]]:
    """As `read_tensors`, of arrays that came from elsewhere; `where` begins the messages."""
    missing, unknown = shapes.keys() - arrays.keys(), arrays.keys() - shapes.keys() - set(besides)
    if missing or unknown:
        which, name = ("lacks", min(missing)) if missing else ("holds an unknown", min(unknown))
        raise BadInput(f"{where}: {which} array {name!r}")
    checked: dict[str, NDArray[np.float32]] = {}
    for name, shape in shapes.items():
        array = arrays[name]
        if array.shape != shape:
            raise BadInput(f"{where}: array {name!r} has shape {list(array.shape)}, needs {list(shape)}")
        if not np.issubdtype(array.dtype, np.floating):
            raise BadInput(f"{where}: array {name!r} holds {array.dtype}, needs float32")
        if not np.isfinite(array).all():
            raise BadInput(f"{where}: array {name!r} holds NaN or infinity")
        checked[name] = read_only(np.array(array, dtype=np.float32))
    return checked
