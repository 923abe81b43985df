"""Frame <-> bytes, wire version 1: `[topic, header, payload]`, as docs/wire.md says.

What comes from a socket is not believed: `decode` checks everything and raises nothing but `WireError`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .frames import Complex64, Float32, Gap, IqBlock, PsdFrame
from .wire_header import (
    VERSION,
    WIRE_REASONS,
    Carries,
    GapHeader,
    HeartbeatHeader,
    IqHeader,
    PsdHeader,
    WireError,
    WireReason,
    parse_topic,
    read_header,
    shown,
    topic_of,
    write_header,
)

__all__ = [
    "VERSION", "WIRE_REASONS", "Carries", "Heartbeat", "Message", "WireError", "WireReason",
    "decode", "encode", "parse_topic", "topic_of",
]  # fmt: skip

# Both machines supported, x86-64 and aarch64, are little-endian: these are their native types.
_FLOAT32 = np.dtype("<f4")
_COMPLEX64 = np.dtype("<c8")


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """What a publisher says of one stream each second, so that loss shows before the next row does.

    `last_seq` is the last row (or block) sent, -1 before the first; `ended`: none will follow.
    `carries` is the kind of the stream's topic.
    """

    node: str
    band: str
    stream: int
    last_seq: int
    ended: bool
    carries: Carries = "psd"


Message = PsdFrame | IqBlock | Heartbeat | Gap


def encode(item: Message) -> list[bytes | memoryview]:
    """The three parts of a message.

    The payload is a view of the item's own array, not a copy. `WireError` for an item that `decode` would
    refuse, so that a source's mistake shows where it is made.
    """
    if isinstance(item, PsdFrame):
        topic = topic_of("psd", item.node, item.band)
        payload = _payload(topic, item.power_db, _FLOAT32, "a row is float32 [bins]")
        header = PsdHeader(
            VERSION, item.node, item.band, item.stream, item.seq, item.time_ns, item.duration_ns,
            item.center_hz, item.bin_hz, item.power_db.shape[0], item.unit, item.gain_db, item.lost_samples,
        )  # fmt: skip
        return [topic, write_header(topic, header), payload]
    if isinstance(item, IqBlock):
        topic = topic_of("iq", item.node, item.band)
        payload = _payload(topic, item.samples, _COMPLEX64, "a block is complex64 [n]")
        header = IqHeader(
            VERSION, item.node, item.band, item.stream, item.seq, item.time_ns, item.center_hz,
            item.sample_rate_hz, item.samples.shape[0], item.gain_db, item.lost_samples,
        )  # fmt: skip
        return [topic, write_header(topic, header), payload]
    if isinstance(item, Gap):
        topic = topic_of("psd", item.node, item.band)
        header = GapHeader(
            VERSION, item.node, item.band, item.after_seq, item.lost_rows, item.lost_samples,
            item.reason, item.time_ns,
        )  # fmt: skip
        return [topic, write_header(topic, header), b""]
    topic = topic_of(item.carries, item.node, item.band)
    header = HeartbeatHeader(
        VERSION, item.node, item.band, item.carries, item.stream, item.last_seq, item.ended
    )
    return [topic, write_header(topic, header), b""]


def decode(parts: Sequence[bytes | bytearray | memoryview]) -> Message:
    """The item of a message; `WireError` for anything that is not one, whatever the bytes.

    Arrays are read-only and aligned. They rest on the payload itself where it is `bytes`, which nobody
    can change; any other buffer is copied, so that no socket's memory stays alive by accident. NaN and
    infinity in a payload are no wire error: `Continuity` makes gaps of such rows.
    """
    if len(parts) != 3:
        raise WireError("parts", f"message of {len(parts)} parts: must be 3, topic, header and payload")
    topic, header_bytes, payload = [part if type(part) is bytes else _copied(part) for part in parts]
    header = read_header(topic, header_bytes)
    if type(header) is PsdHeader:
        power_db: Float32 = _array(topic, payload, header.bins, _FLOAT32)
        return PsdFrame(
            header.node, header.band, header.stream, header.seq, header.time_ns, header.duration_ns,
            header.center_hz, header.bin_hz, power_db, header.unit, header.gain_db, header.lost_samples,
        )  # fmt: skip
    if type(header) is IqHeader:
        samples: Complex64 = _array(topic, payload, header.samples, _COMPLEX64)
        return IqBlock(
            header.node, header.band, header.stream, header.seq, header.time_ns, header.center_hz,
            header.sample_rate_hz, samples, header.gain_db, header.lost_samples,
        )  # fmt: skip
    if payload:
        raise WireError(
            "payload", f"message on {shown(topic)}: payload of {len(payload)} bytes, must be empty"
        )
    if type(header) is GapHeader:
        return Gap(
            header.node, header.band, header.after_seq, header.lost_rows, header.lost_samples,
            header.reason, header.time_ns,
        )  # fmt: skip
    assert type(header) is HeartbeatHeader
    return Heartbeat(header.node, header.band, header.stream, header.last_seq, header.ended, header.carries)


def _payload(topic: bytes, array: NDArray[Any], dtype: np.dtype, limit: str) -> memoryview:
    if array.dtype != dtype or array.ndim != 1:
        raise WireError(
            "payload", f"message on {shown(topic)}: array {array.dtype} {list(array.shape)}, {limit}"
        )
    # A view of no items cannot be cast; its count is refused with the header.
    return np.ascontiguousarray(array).data.cast("B") if array.shape[0] else memoryview(b"")


def _array(topic: bytes, payload: bytes, count: int, dtype: np.dtype) -> NDArray[Any]:
    expected_bytes = count * dtype.itemsize
    if len(payload) != expected_bytes:
        raise WireError(
            "payload",
            f"message on {shown(topic)}: payload of {len(payload)} bytes, its header says {expected_bytes}",
        )
    return np.frombuffer(payload, dtype)


def _copied(part: object) -> bytes:
    if not isinstance(part, bytes | bytearray | memoryview):
        raise WireError("parts", f"message part of type {type(part).__name__}: must be bytes")
    return bytes(part)
