"""What a stage knows, as plain values and arrays, and the file it is kept in over a restart.

A file is eight letters, the SHA-256 of what follows, and MessagePack; it is replaced whole or not at all.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from .errors import BadInput

State = dict[str, Any]
"""None, bool, int, float, str, bytes, arrays, and lists and dicts (with text as keys) of these."""

VERSION = 1
_LETTERS = b"BWSTATE\0"
_DIGEST_BYTES = 32
_ARRAY = "\0array"  # no name of ours begins so


def write_state(path: Path, state: State) -> int:
    """Replace a file by one that holds `state`; its size in bytes. It lasts through a power cut.

    OSError as the system gives it; what was there stays then.
    """
    body = msgspec.msgpack.encode({"version": VERSION, "state": _packed(state)})
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as file:
            file.write(_LETTERS + hashlib.sha256(body).digest())
            file.write(body)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    finally:
        part.unlink(missing_ok=True)
    return len(_LETTERS) + _DIGEST_BYTES + len(body)


def read_state(path: Path) -> State:
    """What `write_state` wrote; arrays are read-only. `BadInput` where it is damaged or not ours."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise BadInput(f"{path}: cannot be read: {error.strerror}") from None
    start = len(_LETTERS) + _DIGEST_BYTES
    if content[: len(_LETTERS)] != _LETTERS:
        raise BadInput(f"{path}: not a state of bandwatch")
    body = memoryview(content)[start:]
    if hashlib.sha256(body).digest() != content[len(_LETTERS) : start]:
        raise BadInput(f"{path}: damaged: its {len(body)} bytes are not those that were written")
    whole = msgspec.msgpack.decode(body)
    if whole["version"] != VERSION:
        raise BadInput(f"{path}: state version {whole['version']}; limit: {VERSION}")
    return _unpacked(whole["state"])


def _packed(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        array: NDArray[Any] = np.ascontiguousarray(value)
        return {_ARRAY: array.dtype.str, "shape": value.shape, "data": array.tobytes()}
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, dict):
        return {name: _packed(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_packed(each) for each in value]
    return value


def _unpacked(value: Any) -> Any:
    if isinstance(value, dict):
        if _ARRAY in value:
            return np.frombuffer(value["data"], np.dtype(value[_ARRAY])).reshape(value["shape"])
        return {name: _unpacked(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_unpacked(each) for each in value]
    return value
