"""The index beside a journal's data: one record of 48 bytes, with its own checksum, for each message.

    offset  type  what
    0       4s    `BWJ1`: the version; it also says which schema the batches have
    4       u32   number of entries; 0: the schema
    8       u64   where the message begins in the data
    16      u64   its length in bytes
    24      i64   number of its first entry
    32      u64   how many entries of this segment stand before it
    40      u32   CRC-32 of the message
    44      u32   CRC-32 of the 44 bytes before

All little-endian. A message that no seal vouches for was never appended.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from pathlib import Path

_BODY = struct.Struct("<4sIQQqQI")
_CRC = struct.Struct("<I")
_LETTERS = b"BWJ1"
SEAL_BYTES = _BODY.size + _CRC.size


@dataclass(frozen=True, slots=True)
class Seal:
    """What is known of one message of a segment."""

    offset: int
    length: int
    first_entry: int
    entries: int
    entries_before: int
    crc: int

    @property
    def end(self) -> int:
        """Where the message ends in the data."""
        return self.offset + self.length

    @property
    def last_entry(self) -> int:
        return self.first_entry + self.entries - 1

    def packed(self) -> bytes:
        body = _BODY.pack(
            _LETTERS, self.entries, self.offset, self.length, self.first_entry, self.entries_before, self.crc
        )
        return body + _CRC.pack(zlib.crc32(body))


def unpacked(record: bytes) -> Seal | None:
    """The seal in `SEAL_BYTES` bytes; None where they are not those that were written."""
    if (
        len(record) != SEAL_BYTES
        or zlib.crc32(record[: _BODY.size]) != _CRC.unpack_from(record, _BODY.size)[0]
    ):
        return None
    letters, entries, offset, length, first_entry, entries_before, crc = _BODY.unpack_from(record)
    if letters != _LETTERS:
        return None
    return Seal(offset, length, first_entry, entries, entries_before, crc)


def seals_path(data: Path) -> Path:
    """Where the index of a segment stands."""
    return data.with_suffix(".seals")


def last_entry(data: Path) -> int:
    """The last entry of a segment that a seal names and whose bytes can be there; -1 where there is none.

    OSError as the system gives it, but for a file that is missing.
    """
    try:
        size = data.stat().st_size
        with seals_path(data).open("rb") as file:
            position = file.seek(0, 2) // SEAL_BYTES * SEAL_BYTES
            while position:
                position -= SEAL_BYTES
                file.seek(position)
                seal = unpacked(file.read(SEAL_BYTES))
                if seal is not None and seal.entries and seal.end <= size:
                    return seal.last_entry
    except FileNotFoundError:
        pass
    return -1
