"""The `.sigmf-meta` half of a SigMF recording: what it may say, read strictly where it matters.

Source: the SigMF specification, version 1.2.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from ..errors import BadInput
from ..frames import NS_PER_S
from ..limits import LATEST_NS
from .sample_bytes import file_errors

META_SUFFIX = ".sigmf-meta"
DATA_SUFFIX = ".sigmf-data"
LARGEST_META_BYTES = 32 * 1024 * 1024

_INSTANT = re.compile(r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d):(\d\d)(?:[.,](\d+))?(?:[Zz]|[+-]00:?00)?")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class MetaGlobal(msgspec.Struct, rename=lambda name: f"core:{name}"):
    """The `global` object: only what reading needs."""

    datatype: str
    version: str | None = None
    sample_rate: float | None = None
    num_channels: int | None = None
    offset: int | None = None
    dataset: str | None = None
    metadata_only: bool | None = None
    trailing_bytes: int | None = None
    extensions: Any = None
    description: Any = None
    author: Any = None
    hw: Any = None
    recorder: Any = None
    node: Any = msgspec.field(default=None, name="bandwatch:node")
    band: Any = msgspec.field(default=None, name="bandwatch:band")
    gain_db: float | None = msgspec.field(default=None, name="bandwatch:gain_db")
    frame_samples: int | None = msgspec.field(default=None, name="bandwatch:frame_samples")


class MetaCapture(msgspec.Struct, rename=lambda name: f"core:{name}"):
    """A capture segment: it lasts to the next one's `sample_start`."""

    sample_start: int
    frequency: float | None = None
    datetime: str | None = None
    global_index: int | None = None
    header_bytes: int | None = None


class MetaAnnotation(msgspec.Struct, rename=lambda name: f"core:{name}"):
    """What somebody or something says of a stretch of samples."""

    sample_start: int
    sample_count: int | None = None
    label: Any = None
    comment: Any = None
    generator: Any = None
    freq_lower_edge: float | None = None
    freq_upper_edge: float | None = None


class Meta(msgspec.Struct):
    """A `.sigmf-meta` file."""

    global_: MetaGlobal = msgspec.field(name="global")
    captures: list[MetaCapture] = msgspec.field(default_factory=list)
    annotations: list[MetaAnnotation] = msgspec.field(default_factory=list)


def pair_of(path: Path) -> tuple[Path, Path]:
    """The meta and data files of a recording of which either is given."""
    stem = path.name[: -len(META_SUFFIX)]  # both suffixes are of one length
    return path.with_name(stem + META_SUFFIX), path.with_name(stem + DATA_SUFFIX)


def read_meta(path: Path) -> Meta:
    """The metadata in a file; `BadInput` names the key that is not what it must be."""
    with file_errors(path), path.open("rb") as stream:
        raw = stream.read(LARGEST_META_BYTES + 1)
    if len(raw) > LARGEST_META_BYTES:
        raise BadInput(f"{path}: larger than {LARGEST_META_BYTES} bytes, the limit for metadata")
    try:
        meta = msgspec.json.decode(raw.removeprefix(b"\xef\xbb\xbf"), type=Meta)
    except RecursionError:
        raise BadInput(f"{path}: not SigMF metadata: nested too deeply") from None
    except ValueError as error:  # msgspec's errors, and text that is not UTF-8
        raise BadInput(f"{path}: not SigMF metadata: {' '.join(str(error).split())}") from None
    # By the specification no capture is one of which nothing is known.
    meta.captures = meta.captures or [MetaCapture(sample_start=meta.global_.offset or 0)]
    return meta


def instant_ns(text: str) -> int | None:
    """Nanoseconds since 1970 of an RFC 3339 time in UTC; None where it is not one, or beyond the limits.

    Digits beyond the nanosecond are rounded. Second 60 is the first of the next minute.
    """
    found = _INSTANT.fullmatch(text)
    if found is None or int(found[3]) > 60:
        return None
    day, clock, seconds, fraction = found.groups()
    try:
        moment = datetime.fromisoformat(f"{day}T{clock}").replace(tzinfo=UTC) - _EPOCH
    except ValueError:
        return None
    whole_s = moment.days * 86_400 + moment.seconds + int(seconds)
    digits = (fraction or "").ljust(10, "0")
    time_ns = whole_s * NS_PER_S + int(digits[:9]) + (digits[9] >= "5")
    return time_ns if 0 <= time_ns <= LATEST_NS else None
