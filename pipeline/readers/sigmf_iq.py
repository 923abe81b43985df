"""`.sigmf-meta` and `.sigmf-data`: samples in every type SigMF 1.2 has, and what is said of them."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import BadInput
from ..frames import read_only
from ..iq_rows import iq_rows
from ..limits import is_name
from ..sidecar import Sidecar
from .iq_origin import MOST_RATE_HZ
from .iq_reader import Annotation, IqFacts, Samples
from .problem_lines import ProblemLines
from .reader import Format, Opening
from .sample_bytes import ended_early, file_errors, file_size
from .sigmf_captures import CaptureDating, Stretch, stretches_of
from .sigmf_meta import DATA_SUFFIX, META_SUFFIX, Meta, MetaGlobal, pair_of, read_meta

ARCHIVE_SUFFIX = ".sigmf"
MOST_CHANNELS = 4096
READ_BYTES = 16 * 1024 * 1024

_DATATYPE = re.compile(r"([cr])([fiu])(8|16|32|64)(?:_([lb])e)?")


@dataclass(frozen=True, slots=True)
class DataType:
    """A SigMF datatype; `numbers` is that of a part of a sample."""

    numbers: np.dtype
    complex: bool

    @property
    def sample_bytes(self) -> int:
        """Bytes of a sample of one channel."""
        return self.numbers.itemsize * (2 if self.complex else 1)

    def samples(self, numbers: NDArray[np.generic]) -> Samples:
        """Numbers [n, 2] (complex) or [n, 1] (real) as an `IqReader` gives them, native ones untouched."""
        if self.complex and self.numbers in _NATIVE:
            return read_only(np.ascontiguousarray(numbers))
        if self.complex and self.numbers == np.dtype("<f4"):
            return read_only(np.ascontiguousarray(numbers).view("<c8")[:, 0])
        full = 1.0 if self.numbers.kind == "f" else 2.0 ** (8 * self.numbers.itemsize - 1)
        zero = full - 0.5 if self.numbers.kind == "u" else 0.0
        samples = np.zeros((len(numbers), 2), np.float32)
        with np.errstate(over="ignore", invalid="ignore"):
            samples[:, : numbers.shape[1]] = (numbers.astype(np.float64) - zero) / full
        return read_only(samples.view(np.complex64)[:, 0])


_NATIVE = (np.dtype("u1"), np.dtype("i1"), np.dtype("<i2"))


class SigmfIq:
    """IqReader of a SigMF recording. Its data are read and never mapped; nothing stays open between passes.

    `core:sha512` is not checked: that would be a pass over the data. Real samples get an imaginary part of
    zero. Offset binary of any width has its zero between two codes, as in `iq_samples.py`.
    """

    def __init__(self, facts: IqFacts, data: Path, kind: DataType, stretches: list[Stretch]) -> None:
        self.facts = facts
        self._data = data
        self._kind = kind
        self._stretches = [each for each in stretches if each.samples]

    def blocks(self, channel: int, first: int, samples: int, block_samples: int) -> Iterator[Samples]:
        channels, parts = self.facts.channels, 2 if self._kind.complex else 1
        stored, end = self._stretches, first + samples
        if not 0 <= channel < channels:
            raise BadInput(f"{self._data}: channel {channel}; limit: 0 to {channels - 1}")
        if samples < 0 or first < stored[0].first or end > stored[-1].first + stored[-1].samples:
            last = stored[-1].first + stored[-1].samples
            raise BadInput(f"{self._data}: samples {first} to {end}; limit: {stored[0].first} to {last}")
        frame_bytes = channels * self._kind.sample_bytes
        most = max(1, min(block_samples, READ_BYTES // frame_bytes))
        with file_errors(self._data), self._data.open("rb", buffering=0) as stream:
            for stretch in stored:
                position = max(first, stretch.first)
                stop = min(end, stretch.first + stretch.samples)
                if position < stop:
                    stream.seek(stretch.byte + (position - stretch.first) * frame_bytes)
                while position < stop:
                    count = min(most, stop - position)
                    data = stream.read(count * frame_bytes)
                    if len(data) != count * frame_bytes:
                        raise ended_early(self._data)
                    numbers = np.frombuffer(data, self._kind.numbers).reshape(count, channels, parts)
                    yield self._kind.samples(numbers[:, channel])
                    position += count


def open_sigmf(path: Path, sidecar: Sidecar, opening: Opening) -> SigmfIq:
    """The recording of which `path` is either file; `BadInput` in one line where it cannot be read."""
    del opening  # the channel is chosen by who reads
    if path.name.lower().endswith(ARCHIVE_SUFFIX):
        raise BadInput(f"{path}: a SigMF archive; limit: the files in it, unpack them: tar -xf {path.name}")
    meta_path, data_path = pair_of(path)
    meta = read_meta(meta_path)
    said = meta.global_
    if said.dataset is not None:
        data_path = _dataset(meta_path, said.dataset, data_path)
    if not data_path.is_file():
        only = " (metadata only, it says)" if said.metadata_only else ""
        raise BadInput(f"{meta_path}: its samples are missing{only}: no file {data_path}")
    problems = ProblemLines()
    kind = _data_type(meta_path, said.datatype, problems)
    channels = 1 if said.num_channels is None else said.num_channels
    if not 1 <= channels <= MOST_CHANNELS:
        raise BadInput(f"{meta_path}: core:num_channels: {channels}; limit: 1 to {MOST_CHANNELS}")
    if (said.offset or 0) < 0 or (said.trailing_bytes or 0) < 0:
        raise BadInput(f"{meta_path}: core:offset or core:trailing_bytes is negative; limit: at least 0")
    rate_hz = _rate(meta_path, sidecar, said)
    data_bytes = file_size(data_path)
    stretches, over = stretches_of(meta_path, meta, data_bytes, channels * kind.sample_bytes)
    captures = CaptureDating(meta_path, sidecar, rate_hz, problems).captures(meta.captures, stretches)
    if not captures:
        raise BadInput(f"{meta_path}: no samples in {data_path.name}, {data_bytes} bytes; limit: at least 1")
    if over:
        problems.add(f"{data_path.name} ends within a sample: {over} bytes left out")
    if captures[0].first:
        problems.add(f"{captures[0].first} samples before the first capture are left out")
    _tell_extensions(said, problems)
    facts = IqFacts(
        format="sigmf",
        sample_type=said.datatype,
        sample_rate_hz=rate_hz,
        channels=channels,
        captures=tuple(captures),
        unit=sidecar.unit or "dBFS/bin",
        gain_db=said.gain_db,
        node=_name(said.node),
        band=_name(said.band),
        frame_samples=said.frame_samples if (said.frame_samples or 0) > 1 else None,
        annotations=_annotations(meta, problems),
        problems=problems.lines,
        notes=tuple(_notes(said)),
    )
    return SigmfIq(facts, data_path, kind, stretches)


def _dataset(meta_path: Path, name: str, conforming: Path) -> Path:
    """The non-conforming dataset, in the metadata's folder and nowhere else."""
    if not name or name in (".", "..") or "\0" in name or "/" in name or "\\" in name:
        raise BadInput(f"{meta_path}: core:dataset: '{name[:60]}'; limit: a file name without a folder")
    named = meta_path.with_name(name)
    try:
        return named if named.is_file() or not conforming.is_file() else conforming
    except (OSError, ValueError):  # too long a name, or one that no file can have
        raise BadInput(f"{meta_path}: core:dataset: '{name[:60]}'; limit: the name of a file") from None


def _data_type(path: Path, datatype: str, problems: ProblemLines) -> DataType:
    found = _DATATYPE.fullmatch(datatype)
    widths = {"f": ("32", "64"), "i": ("8", "16", "32"), "u": ("8", "16", "32")}
    if found is None or found[3] not in widths[found[2]]:
        raise BadInput(
            f"{path}: core:datatype: '{datatype[:40]}'; limit: c or r, then f32, f64, i32, i16, i8, u32, u16"
            " or u8, then _le or _be, such as ci16_le"
        )
    if found[4] is None and found[3] != "8":
        problems.add(f"core:datatype: '{datatype}' does not say the byte order: read as little-endian")
    if found[1] == "r":
        problems.add(
            f"core:datatype: '{datatype}' are real samples: the spectrum is symmetric about its centre"
        )
    order = ">" if found[4] == "b" else "<"
    return DataType(np.dtype(f"{order}{found[2]}{int(found[3]) // 8}"), found[1] == "c")


def _rate(path: Path, sidecar: Sidecar, said: MetaGlobal) -> float:
    rate_hz = sidecar.sample_rate_hz if sidecar.sample_rate_hz is not None else said.sample_rate
    if rate_hz is None:
        raise BadInput(f"{path}: no core:sample_rate; write sample_rate_hz in {sidecar.path}")
    if not (math.isfinite(rate_hz) and 0 < rate_hz <= MOST_RATE_HZ):
        raise BadInput(f"{path}: core:sample_rate: {rate_hz:g}; limit: above 0, at most {MOST_RATE_HZ:g}")
    return rate_hz


def _annotations(meta: Meta, problems: ProblemLines) -> tuple[Annotation, ...]:
    found: list[Annotation] = []
    offset, outside = meta.global_.offset or 0, 0
    for each in meta.annotations:
        first, count = each.sample_start - offset, each.sample_count
        if first < 0 or (count or 0) < 0 or max(first, count or 0) >= 1 << 63:
            outside += 1
            continue
        words = [_line(word) for word in (each.label, each.comment)]
        text = ": ".join(word for word in words if word) or _line(each.generator)
        low_hz, high_hz = each.freq_lower_edge, each.freq_upper_edge
        if low_hz is None or high_hz is None:  # one edge without the other says nothing, by the specification
            low_hz = high_hz = None
        found.append(Annotation(first, count, text, low_hz, high_hz))
    if outside:
        problems.add(f"{outside} annotations of samples that cannot be are left out")
    return tuple(sorted(found, key=lambda each: each.first))


def _tell_extensions(said: MetaGlobal, problems: ProblemLines) -> None:
    extensions = said.extensions if isinstance(said.extensions, list) else []
    for each in extensions:
        if isinstance(each, dict) and each.get("optional") is False:
            problems.add(
                f"needs the SigMF extension '{_line(each.get('name'))[:40]}', which is not known here"
            )


def _notes(said: MetaGlobal) -> Iterator[tuple[str, str]]:
    for name in ("description", "author", "recorder", "hw"):
        text = _line(getattr(said, name))
        if text:
            yield name, text[:200]


def _line(value: object) -> str:
    return " ".join(value.split()) if isinstance(value, str) else ""


def _name(value: object) -> str | None:
    return value if isinstance(value, str) and is_name(value) else None


FORMAT = Format(
    "sigmf",
    (META_SUFFIX, DATA_SUFFIX, ARCHIVE_SUFFIX),
    open=lambda path, sidecar, opening: iq_rows(open_sigmf(path, sidecar, opening), opening),
    keys=("format", "sample_rate_hz", "center_hz", "start", "node", "band", "unit"),
)
