"""MATLAB files with one complex vector; version 5 here, version 7.3 is HDF5 (`mat73_iq.py`)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from ..frames import read_only
from ..iq_rows import iq_rows
from ..sidecar import Sidecar
from .iq_origin import IQ_KEYS, Origin
from .iq_reader import IqReader, Samples
from .mat5_datetime import MOST_BYTES, clock_ms, clock_ns, is_workspace
from .mat5_elements import (
    CHAR,
    NUMBER_TYPES,
    NUMERIC,
    OPAQUE,
    STRUCT,
    Mat5File,
    Mat5Variable,
    Tag,
    number,
    text,
)
from .mat5_streams import Bytes
from .mat73_iq import is_mat73, open_mat73_iq
from .mat_names import names_start, origin_named
from .reader import Format, FrameReader, Opening
from .sample_bytes import file_errors
from .variable_iq import VariableIq, chosen

MOST_FIELDS = 4096
MOST_TEXT_BYTES = 1024
# Full scale of samples by class: floats as they stand, integers theirs.
_FULL_SCALES = {6: 1.0, 7: 1.0, 8: 2.0**7, 10: 2.0**15, 12: 2.0**31}
_CLASSES = {6: "double", 7: "single", 8: "int8", 10: "int16", 12: "int32"}


def open_mat_iq(path: Path, sidecar: Sidecar, opening: Opening) -> IqReader:
    """The complex vector that the sidecar's `array` names, or the only one; reals [n, 2] if none is.

    Rate, centre, gain and start are taken from variables and fields of structs that have the usual names
    (`mat_names.py`).
    """
    with file_errors(path), path.open("rb") as stream:
        head = stream.read(1024)
    if is_mat73(head):
        return open_mat73_iq(path, sidecar, opening)
    file = Mat5File(path)
    found: list[Mat5Variable] = []
    values: dict[str, float | str] = {}
    objects: set[str] = set()
    workspaces: list[bytes] = []

    def take(variable: Mat5Variable, stream: Bytes) -> None:
        if _pairs_in(variable):
            found.append(variable)
        elif variable.array_class == STRUCT:
            values.update(_fields(file, stream, objects))
        elif is_workspace(variable.name, variable.array_class, variable.count):
            workspaces.append(file.data(stream, file.tag(stream), MOST_BYTES))
        elif (value := _value(file, stream, variable)) is not None:
            values[variable.name] = value

    file.visit(take)
    by_name = {each.name: _Mat5Vector(file, each) for each in found}
    vector = chosen(path, sidecar, by_name)
    notes = (("header", file.text),) if file.text else ()
    told, problems = origin_named(values), ()
    if told.start_ns is None and sidecar.start_ns is None and any(map(names_start, objects)):
        reading_ms = clock_ms(b"".join(workspaces), file.order)
        zone = sidecar.time_zone or opening.time_zone
        if reading_ms is not None:
            told = told.or_else(Origin(start_ns=clock_ns(reading_ms, zone)))
            if zone is None:
                problems = ("the start is a datetime whose zone is not read: taken for UTC (time_zone)",)
    return VariableIq(path, "mat", vector, sidecar, told, notes, problems)


class _Mat5Vector:
    """I and Q of a variable: its real and imaginary parts, or its two columns, each in one piece."""

    def __init__(self, file: Mat5File, variable: Mat5Variable) -> None:
        self._file = file
        self._variable = variable
        self.is_complex = variable.is_complex
        self.samples = _pairs_in(variable)
        shape = " x ".join(str(length) for length in variable.shape)
        kind = "complex " if variable.is_complex else ""
        self.sample_type = f"{kind}{_CLASSES[variable.array_class]} {shape}"

    def blocks(self, first: int, samples: int, block_samples: int) -> Iterator[Samples]:
        full_scale = _FULL_SCALES[self._variable.array_class]
        with self._part(0) as (i_stream, i_type), self._part(1) as (q_stream, q_type):
            i_stream.skip(first * i_type.itemsize)
            q_stream.skip(first * q_type.itemsize)
            while samples > 0:
                count = min(samples, block_samples)
                block = np.empty(count, np.complex64)
                with np.errstate(over="ignore", invalid="ignore"):
                    block.real = np.frombuffer(i_stream.read(count * i_type.itemsize), i_type) / full_scale
                    block.imag = np.frombuffer(q_stream.read(count * q_type.itemsize), q_type) / full_scale
                samples -= count
                yield read_only(block)

    @contextmanager
    def _part(self, part: int) -> Iterator[tuple[Bytes, np.dtype]]:
        """A stream at the first I (0) or the first Q (1), and the type of its numbers."""
        with self._file.values(self._variable) as stream:
            dtype, small = self._numbers(stream)
            if part and not self.is_complex:
                stream.skip(self.samples * dtype.itemsize)
            elif part:
                stream.skip(small)
                dtype, _ = self._numbers(stream)
            yield stream, dtype

    def _numbers(self, stream: Bytes) -> tuple[np.dtype, int]:
        """The type of the numbers that come, and the bytes they take with their padding."""
        tag = self._file.tag(stream)
        kind = NUMBER_TYPES.get(tag.type)
        if (
            kind is None
            or tag.small is not None
            or tag.size != self._variable.count * np.dtype(kind).itemsize
        ):
            raise EOFError(f"{tag.size:,} bytes of type {tag.type} for {self._variable.count:,} values")
        return np.dtype(self._file.order + kind), tag.size + tag.padding


def _pairs_in(variable: Mat5Variable) -> int:
    """IQ samples that a variable can be; 0 where it cannot."""
    if variable.array_class not in _FULL_SCALES or variable.count < 8:
        return 0  # fewer stand in the element's tag, and make no recording
    if variable.is_complex:
        return variable.count if max(variable.shape) == variable.count else 0
    return variable.shape[0] if variable.shape[1:] == (2,) else 0


def _value(file: Mat5File, stream: Bytes, variable: Mat5Variable) -> float | str | None:
    """A real number or a short text; None where a variable is something else."""
    if variable.array_class in NUMERIC and variable.count == 1 and not variable.is_complex:
        tag = file.tag(stream)
        return number(file.data(stream, tag, 8), tag, file.order)
    if variable.array_class == CHAR and variable.count <= MOST_TEXT_BYTES:
        tag = file.tag(stream)
        return text(file.data(stream, tag, MOST_TEXT_BYTES), tag, file.order)
    return None


_INT32 = Tag(5, 4)


def _fields(file: Mat5File, stream: Bytes, objects: set[str]) -> dict[str, float | str]:
    """The numbers and texts in the fields of a struct, of its first element where it has several.

    The names of fields that hold objects are added to `objects`.
    """
    length = number(file.data(stream, file.tag(stream), 4), _INT32, file.order)
    names = file.data(stream, file.tag(stream), 64 * MOST_FIELDS)
    if length is None or not 1 <= length <= 1024:
        raise EOFError(f"field names of {length} characters")
    size = int(length)
    values: dict[str, float | str] = {}
    for at in range(0, len(names) // size * size, size):
        tag = file.tag(stream)
        if tag.small is not None:
            continue
        begun = stream.at
        if tag.size:
            name = names[at : at + size].split(b"\0")[0].decode("latin-1")
            field = file.header(stream, 0)
            if field.array_class == OPAQUE:
                objects.add(name)
            elif (value := _value(file, stream, field)) is not None:
                values[name] = value
        if stream.at - begun > tag.size:
            raise EOFError("a field goes beyond its end")
        stream.skip(tag.size - (stream.at - begun) + tag.padding)
    return values


def _open(path: Path, sidecar: Sidecar, opening: Opening) -> FrameReader:
    return iq_rows(open_mat_iq(path, sidecar, opening), opening)


FORMAT = Format(name="mat", suffixes=(".mat",), open=_open, keys=(*IQ_KEYS, "array"))
