"""`.npz` of IQ frames, as data sets of modulations come (RadioML): each frame stands alone."""

from __future__ import annotations

import lzma
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np

from ..errors import BadInput
from ..frames import read_only
from ..iq_rows import iq_rows
from ..limits import BINS_RANGE
from ..sidecar import Sidecar
from .iq_origin import IQ_KEYS, Origin, one_tuning
from .iq_reader import IqFacts, IqReader, Samples
from .npy_header import NpyHeader, read_npy_header
from .reader import Format, FrameReader, Opening
from .stored_iq import check_range
from .variable_iq import PASS_SAMPLES, chosen, peak_notes, peak_of

NOMINAL_RATE_HZ = 1e6
MOST_MEMBERS = 64
MOST_LABEL_BYTES = 16 * 1024 * 1024
_SKIP_BYTES = 1024 * 1024
# What a damaged archive can raise: each way of compressing its own, and offsets beyond any file.
_BROKEN = (
    zlib.error, lzma.LZMAError, EOFError, struct.error, ValueError, LookupError, OverflowError, RuntimeError,
    OSError,
)  # fmt: skip
_KINDS = {"f": (2, 4, 8), "c": (8, 16)}


@dataclass(frozen=True, slots=True)
class _Frames:
    """An array of frames: real [frames, 2, length] or complex [frames, length]."""

    path: Path
    name: str
    header: NpyHeader

    is_complex = True  # whatever its type: I and Q are told apart

    @property
    def length(self) -> int:
        return self.header.shape[-1]

    @property
    def samples(self) -> int:
        return self.header.shape[0] * self.length

    @property
    def sample_type(self) -> str:
        return f"{self.header.dtype.name} {' x '.join(map(str, self.header.shape))}"

    def blocks(self, first: int, samples: int, block_samples: int) -> Iterator[Samples]:
        """Samples in order, frame after frame, complex64."""
        frame_bytes = self.header.data_bytes // self.header.shape[0]
        at_once = max(1, block_samples // self.length)
        frame, skip = divmod(first, self.length)
        with _archive(self.path) as archive, archive.open(f"{self.name}.npy") as stream:
            if read_npy_header(stream, self.name) != self.header:
                raise BadInput(f"{self.path}: changed since it was opened")
            self._pass(stream, frame * frame_bytes)
            while samples > 0:
                count = min(at_once, self.header.shape[0] - frame)
                block = self._decoded(self._read(stream, count * frame_bytes), count)[skip:][:samples]
                for start in range(0, len(block), block_samples):
                    yield block[start : start + block_samples]
                samples -= len(block)
                frame, skip = frame + count, 0

    def _decoded(self, data: bytes, count: int) -> Samples:
        values = np.frombuffer(data, self.header.dtype).reshape(count, *self.header.shape[1:])
        block = np.empty((count, self.length), np.complex64)
        with np.errstate(over="ignore", invalid="ignore"):
            if self.header.dtype.kind == "c":
                block[:] = values
            else:
                block.real, block.imag = values[:, 0], values[:, 1]
        return read_only(block.reshape(-1))

    def _read(self, stream: IO[bytes], size: int) -> bytes:
        data = stream.read(size)
        if len(data) != size:
            raise BadInput(
                f"{self.path}: array '{self.name}': truncated: ends {size - len(data)} bytes early"
            )
        return data

    def _pass(self, stream: IO[bytes], size: int) -> None:
        while size > 0:
            size -= len(self._read(stream, min(size, _SKIP_BYTES)))


class NpzFrames:
    """IqReader of frames that stand alone; opening passes over them once.

    Without a rate in the sidecar it is nominal, 1 MS/s: a frequency of 0.25 MHz is then a quarter of the
    sample rate. Numbers are taken as they stand; beyond 1 levels are `dB` above 1.0.
    """

    def __init__(self, path: Path, sidecar: Sidecar) -> None:
        with _archive(path) as archive:
            headers = _headers(path, archive)
            frames = {name: _Frames(path, name, each) for name, each in headers.items() if _is_frames(each)}
            self._frames = chosen(path, sidecar, frames)
            notes = _label_notes(archive, headers)
        _check(self._frames)
        tuning = one_tuning(path, sidecar, Origin(sample_rate_hz=NOMINAL_RATE_HZ), self._frames.samples)
        problems = list(tuning.problems)
        if sidecar.sample_rate_hz is None:
            problems.append(
                f"no sample rate is given: taken for {NOMINAL_RATE_HZ:,.0f} a second, so that frequencies in"
                " MHz are fractions of it (sample_rate_hz)"
            )
        peak = peak_of(self._frames.blocks(0, self._frames.samples, PASS_SAMPLES))
        self.facts = IqFacts(
            format="iq_frames",
            sample_type=self._frames.sample_type,
            sample_rate_hz=tuning.sample_rate_hz,
            channels=1,
            captures=(tuning.capture,),
            unit=sidecar.unit or ("dBFS/bin" if peak <= 1 else "dB"),
            node=sidecar.node,
            band=sidecar.band,
            frame_samples=self._frames.length,
            problems=tuple(problems),
            notes=(*notes, *peak_notes(peak)),
        )

    def blocks(self, channel: int, first: int, samples: int, block_samples: int) -> Iterator[Samples]:
        check_range(self.facts, channel, first, samples)
        yield from self._frames.blocks(first, samples, block_samples)


def open_npz_frames(path: Path, sidecar: Sidecar, _opening: Opening) -> IqReader:
    """The frames in an npz: the array that the sidecar's `array` names, or the only one of frames."""
    return NpzFrames(path, sidecar)


def _is_frames(header: NpyHeader) -> bool:
    shape, kind = header.shape, header.dtype.kind
    if header.dtype.itemsize not in _KINDS.get(kind, ()):
        return False
    return len(shape) == 2 if kind == "c" else len(shape) == 3 and shape[1] == 2


def _check(frames: _Frames) -> None:
    owner, header = f"{frames.path}: array '{frames.name}'", frames.header
    if header.fortran_order:
        raise BadInput(f"{owner}: in column-major order; limit: row-major, as numpy.savez writes copies")
    fewest, most = BINS_RANGE
    if not fewest <= frames.length <= most:
        raise BadInput(f"{owner}: frames of {frames.length} samples; limit: {fewest} to {most}")


def _headers(path: Path, archive: zipfile.ZipFile) -> dict[str, NpyHeader]:
    names = [each.filename for each in archive.infolist() if each.filename.endswith(".npy")][:MOST_MEMBERS]
    headers: dict[str, NpyHeader] = {}
    for name in names:
        with archive.open(name) as stream:
            headers[name.removesuffix(".npy")] = read_npy_header(stream, f"{path}: array '{name}'")
    return headers


def _label_notes(archive: zipfile.ZipFile, headers: dict[str, NpyHeader]) -> tuple[tuple[str, str], ...]:
    """Classes and signal-to-noise ratios, where arrays `classes` and `snr` list them."""
    notes: list[tuple[str, str]] = []
    for name, title, kinds in (("classes", "classes", "US"), ("snr", "SNR in dB", "iuf")):
        header = headers.get(name)
        if header is None or header.dtype.kind not in kinds or header.data_bytes > MOST_LABEL_BYTES:
            continue
        with archive.open(f"{name}.npy") as stream:
            read_npy_header(stream, name)
            data = stream.read(header.data_bytes)
        if len(data) != header.data_bytes or not data:
            continue
        values = np.unique(np.frombuffer(data, header.dtype))
        some = [str(each) if kinds == "US" else f"{each:g}" for each in values[:24]]
        notes.append((title, ", ".join(some) + (" ..." if len(values) > 24 else "")))
    return tuple(notes)


@contextmanager
def _archive(path: Path) -> Iterator[zipfile.ZipFile]:
    """An npz; every fault while it is open is a `BadInput`."""
    try:
        with zipfile.ZipFile(path) as archive:
            yield archive
    except BadInput:
        raise
    except zipfile.BadZipFile as error:
        raise BadInput(f"{path}: truncated or not an npz file: {error}") from None
    except _BROKEN as error:
        raise BadInput(f"{path}: cannot be decompressed: {' '.join(str(error).split())}") from None


def _open(path: Path, sidecar: Sidecar, opening: Opening) -> FrameReader:
    return iq_rows(open_npz_frames(path, sidecar, opening), opening)


def _matches(path: Path, _head: bytes) -> bool:
    """Whether an npz holds frames, and no matrix of reals that could be rows of levels."""
    try:
        with _archive(path) as archive:
            headers = _headers(path, archive).values()
    except BadInput:
        return False
    frames = {each.shape[0] for each in headers if _is_frames(each)}
    # A matrix of as many rows as there are frames labels them (one column a class).
    real = (each for each in headers if len(each.shape) == 2 and each.dtype.kind in "iuf")
    return bool(frames) and all(each.shape[0] in frames for each in real)


FORMAT = Format(name="iq_frames", suffixes=(".npz",), open=_open, matches=_matches, keys=(*IQ_KEYS, "array"))
