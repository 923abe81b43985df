"""Topic and header of a wire message: what they may say, and why they are refused.

Header keys that are not known are passed over, so that a later publisher may add some; whatever changes
the meaning of a known key raises `version`, and another version is refused.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Annotated, Literal, get_args

import msgspec
import numpy as np
from msgspec import Meta, Struct

from .errors import BadInput
from .frames import GapReason, PowerUnit
from .limits import BINS_RANGE, LATEST_NS, MOST_CENTER_HZ, MOST_STEP_HZ, NAME_LIMIT, NAME_PATTERN

VERSION = 1
SAMPLES_RANGE = (1, 4_194_304)
LARGEST_HEADER_BYTES = 4096

Carries = Literal["psd", "iq"]
WireReason = Literal["parts", "topic", "version", "header", "kind", "mismatch", "unit", "bins", "payload"]
WIRE_REASONS: tuple[str, ...] = get_args(WireReason)


class WireError(BadInput):
    """A message that cannot be believed; `reason` is one of `WIRE_REASONS`."""

    def __init__(self, reason: WireReason, message: str) -> None:
        super().__init__(message)
        self.reason: WireReason = reason


# A range also refuses NaN and infinity.
_Count = Annotated[int, Meta(ge=0, le=2**62 - 1)]
_Time = Annotated[int, Meta(ge=0, le=LATEST_NS)]
_Duration = Annotated[int, Meta(ge=1, le=LATEST_NS)]
_Stream = Annotated[int, Meta(ge=0)]
_Center = Annotated[float, Meta(ge=-MOST_CENTER_HZ, le=MOST_CENTER_HZ)]
_Step = Annotated[float, Meta(gt=0, le=MOST_STEP_HZ)]
_Gain = Annotated[float, Meta(ge=-1000, le=1000)] | None


class PsdHeader(Struct, tag_field="kind", tag="psd", gc=False):
    version: int
    node: str
    band: str
    stream: _Stream
    seq: _Count
    time_ns: _Time
    duration_ns: _Duration
    center_hz: _Center
    bin_hz: _Step
    bins: Annotated[int, Meta(ge=BINS_RANGE[0], le=BINS_RANGE[1])]
    unit: PowerUnit
    gain_db: _Gain
    lost_samples: _Count


class IqHeader(Struct, tag_field="kind", tag="iq", gc=False):
    version: int
    node: str
    band: str
    stream: _Stream
    seq: _Count
    time_ns: _Time
    center_hz: _Center
    sample_rate_hz: _Step
    samples: Annotated[int, Meta(ge=SAMPLES_RANGE[0], le=SAMPLES_RANGE[1])]
    gain_db: _Gain
    lost_samples: _Count


class HeartbeatHeader(Struct, tag_field="kind", tag="heartbeat", gc=False):
    version: int
    node: str
    band: str
    carries: Carries
    stream: _Stream
    last_seq: Annotated[int, Meta(ge=-1, le=2**62 - 1)]
    ended: bool


class GapHeader(Struct, tag_field="kind", tag="gap", gc=False):
    version: int
    node: str
    band: str
    after_seq: Annotated[int, Meta(ge=-1, le=2**62 - 1)]
    lost_rows: _Count | None
    lost_samples: _Count | None
    reason: GapReason
    time_ns: _Time


class _AnyHeader(Struct, gc=False):
    version: int


Header = PsdHeader | IqHeader | HeartbeatHeader | GapHeader


def _plain(value: object) -> object:
    """A numpy scalar in a frame is a number like any other."""
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"a {type(value).__name__} cannot travel")


_encoder = msgspec.msgpack.Encoder(enc_hook=_plain)
_decoder = msgspec.msgpack.Decoder(Header)
_version_decoder = msgspec.msgpack.Decoder(_AnyHeader)
_reason_of_field: dict[str, WireReason] = {"unit": "unit", "kind": "kind", "bins": "bins", "samples": "bins"}

_TOPIC = re.compile(f"(psd|iq)/({NAME_PATTERN})/({NAME_PATTERN})".encode())


@lru_cache(maxsize=4096)
def topic_of(carries: Carries, node: str, band: str) -> bytes:
    """The topic of a stream; `WireError` (`topic`) for a name that cannot be part of one."""
    topic = f"{carries}/{node}/{band}".encode("utf-8", "backslashreplace")
    parse_topic(topic)
    return topic


@lru_cache(maxsize=4096)
def parse_topic(topic: bytes) -> tuple[Carries, str, str]:
    """`(kind, node, band)` of a topic; `WireError` (`topic`) if it is none."""
    match = _TOPIC.fullmatch(topic)
    if match is None:
        raise WireError(
            "topic",
            f"topic {shown(topic)}: must be psd/NODE/BAND or iq/NODE/BAND, a name being {NAME_LIMIT}",
        )
    carries, node, band = (part.decode("ascii") for part in match.groups())
    return ("iq" if carries == "iq" else "psd"), node, band


def write_header(topic: bytes, header: Header) -> bytes:
    """The MessagePack of a header; `WireError` for one that `read_header` would refuse."""
    try:
        header_bytes = _encoder.encode(header)
    except (TypeError, OverflowError) as error:
        raise WireError("header", f"message on {shown(topic)}: header: {error}") from error
    read_header(topic, header_bytes)
    return header_bytes


def read_header(topic: bytes, header_bytes: bytes) -> Header:
    """The header under a topic, every value within its range; `WireError` for anything else."""
    carries, node, band = parse_topic(topic)
    if len(header_bytes) > LARGEST_HEADER_BYTES:
        raise WireError(
            "header",
            f"message on {shown(topic)}: header of {len(header_bytes)} bytes, "
            f"must be at most {LARGEST_HEADER_BYTES}",
        )
    try:
        header = _decoder.decode(header_bytes)
    # Text that is not UTF-8, and deep nesting under an unknown key, have errors of their own.
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _refusal(topic, header_bytes, error) from error
    if header.version != VERSION:
        raise _other_version(topic, header.version)
    if header.node != node or header.band != band:
        raise WireError(
            "mismatch",
            f"message on {shown(topic)}: its header says node {header.node!r:.80}, band {header.band!r:.80}",
        )
    of = header.carries if type(header) is HeartbeatHeader else "iq" if type(header) is IqHeader else "psd"
    if of != carries:
        raise WireError("kind", f"message on {shown(topic)}: its header is that of a stream of {of}")
    return header


def shown(topic: bytes) -> str:
    """A topic fit for one line of a message, whatever its bytes."""
    return topic[:140].decode("ascii", "backslashreplace").encode("unicode_escape").decode("ascii") or "''"


def _refusal(topic: bytes, header_bytes: bytes, error: Exception) -> WireError:
    # Another version may differ in everything else, so it is the first thing to be told.
    try:
        version = _version_decoder.decode(header_bytes).version
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        version = VERSION
    if version != VERSION:
        return _other_version(topic, version)
    text = str(error)
    text = text if text.isprintable() else repr(text)
    field = re.search(r"at `\$\.(\w+)`$", text)
    reason = _reason_of_field.get(field.group(1), "header") if field else "header"
    return WireError(reason, f"message on {shown(topic)}: header: {text:.300}")


def _other_version(topic: bytes, version: int) -> WireError:
    return WireError(
        "version", f"message on {shown(topic)}: wire version {version}, this program reads {VERSION}"
    )
