"""The chunks of a WAV file: RIFF, and RF64 or BW64 for what is larger than 4 GiB.

Sources: Microsoft "Multiple Channel Audio Data and WAVE Files"; EBU Tech 3306 (RF64), ITU-R BS.2088 (BW64).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

from ..errors import BadInput
from .sample_bytes import file_errors

PCM, FLOAT, EXTENSIBLE = 1, 3, 0xFFFE
UNKNOWN_SIZE = 0xFFFFFFFF
MOST_CHUNKS = 4096
MOST_KEPT_BYTES = 64 * 1024
_KEPT = (b"fmt ", b"auxi", b"rcvr")


@dataclass(frozen=True, slots=True)
class WavChunks:
    """What a WAV file holds: the coding of its values, where they stand, and what recorders add.

    `coding` is `PCM` or `FLOAT` (or what the file says instead), `value_bytes` those of one value of one
    channel. `kept` are the contents of `auxi` and `rcvr` chunks, up to 64 KiB.
    """

    coding: int
    channels: int
    rate_hz: int
    value_bytes: int
    data_offset: int
    data_bytes: int
    kept: dict[bytes, bytes]
    problems: tuple[str, ...]


def is_wav(head: bytes) -> bool:
    """Whether a file begins like a WAV file."""
    return head[:4] in (b"RIFF", b"RF64", b"BW64") and head[8:12] == b"WAVE"


def read_chunks(path: Path) -> WavChunks:
    """The chunks of a file; `BadInput` where it is no WAV file or has no format or no data.

    Data whose size was never written (0 or 0xFFFFFFFF), is counted modulo 4 GiB or goes beyond the file's
    end reaches to that end; each is told in `problems`.
    """
    with file_errors(path), path.open("rb") as stream:
        end = stream.seek(0, 2)
        stream.seek(0)
        head = stream.read(12)
        if not is_wav(head):
            raise BadInput(f"{path}: begins with {head[:12]!r}; limit: a WAV file, RIFF, RF64 or BW64")
        kept: dict[bytes, bytes] = {}
        data: tuple[int, int] | None = None
        long_data: int | None = None
        problems: list[str] = []
        at = 12
        for _ in range(MOST_CHUNKS):
            stream.seek(at)
            header = stream.read(8)
            if len(header) < 8:
                break
            name, size = header[:4], int.from_bytes(header[4:], "little")
            if name == b"ds64":
                sizes = stream.read(16)
                long_data = int.from_bytes(sizes[8:], "little") if len(sizes) == 16 else None
            elif name in _KEPT and name not in kept:
                kept[name] = stream.read(min(size, MOST_KEPT_BYTES))
            elif name == b"data" and data is None:
                if size == UNKNOWN_SIZE and head[:4] != b"RIFF" and long_data:
                    size = long_data
                size, problem = _data_size(size, end - at - 8)
                problems += problem
                data = (at + 8, size)
            at += 8 + size + size % 2
    if b"fmt " not in kept:
        raise BadInput(f"{path}: no 'fmt ' chunk; limit: one, it says how the samples stand")
    if data is None:
        raise BadInput(f"{path}: no 'data' chunk; limit: one, with the samples")
    coding, channels, rate_hz, value_bytes = _format(path, kept.pop(b"fmt "))
    return WavChunks(coding, channels, rate_hz, value_bytes, *data, kept, tuple(problems))


def _data_size(size: int, rest: int) -> tuple[int, list[str]]:
    """Bytes of data there are, of the size written and what is left of the file."""
    if size in (0, UNKNOWN_SIZE) and size != rest:
        return rest, ["unfinished: the size of its data was never written; read up to the file's end"]
    if size > rest:
        return rest, [f"truncated: {rest:,} bytes of data where {size:,} are announced"]
    if rest > size and (rest - size) % (UNKNOWN_SIZE + 1) == 0:
        return rest, [f"the size of its data is written as {size:,}, modulo 4 GiB: {rest:,} bytes are there"]
    return size, []


def _format(path: Path, raw: bytes) -> tuple[int, int, int, int]:
    """Coding, channels, rate and bytes a value."""
    if len(raw) < 16:
        raise BadInput(f"{path}: 'fmt ' chunk of {len(raw)} bytes; limit: at least 16")
    coding, channels, rate_hz, _, block_bytes, bits = struct.unpack_from("<HHIIHH", raw)
    if coding == EXTENSIBLE and len(raw) >= 26:
        coding = int.from_bytes(raw[24:26], "little")
    # 24 bits may stand in containers of 32, uppermost: the container is what is read.
    value_bytes = block_bytes // channels if channels and block_bytes else bits // 8
    return coding, channels, rate_hz, value_bytes
