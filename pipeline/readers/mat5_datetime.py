"""The one `datetime` of a MATLAB 5 file: objects stand in a part of the file that no document describes.

MATLAB keeps the properties of objects in a nameless uint8 variable, itself laid out like a file; that of a
`datetime`, `data`, is a complex double: milliseconds since 1970 of its clock, and what rounding left over.
Seen in files that MATLAB wrote on Windows in 2026; where a file holds anything but one such number, nothing
is said here.
"""

from __future__ import annotations

import re
import struct
from datetime import datetime, timedelta, tzinfo

from ..frames import NS_PER_S

MOST_BYTES = 1 << 20
_UINT8 = 9
_EPOCH = datetime(1970, 1, 1)  # a clock's reading, of no zone until it is given one
# 2001 to 2116, as milliseconds.
_RANGE_MS = (1e12, 4.6e12)


def is_workspace(name: str, array_class: int, count: int) -> bool:
    """Whether a variable is the one that objects stand in."""
    return not name and array_class == _UINT8 and count <= MOST_BYTES


def clock_ms(workspace: bytes, order: str) -> float | None:
    """Milliseconds since 1970 of the clock of the only `datetime`; None where there is none or several."""
    if b"datetime\0" not in workspace:
        return None
    tag = re.escape(struct.pack(order + "II", 9, 8))  # miDOUBLE, 8 bytes
    found = {
        struct.unpack(order + "d", each)[0]
        for each in re.findall(tag + b"(.{8})" + tag + b".{8}", workspace, re.DOTALL)
    }
    times = {each for each in found if _RANGE_MS[0] <= each <= _RANGE_MS[1]}
    return times.pop() if len(times) == 1 else None


def clock_ns(reading_ms: float, zone: tzinfo | None) -> int:
    """A clock's reading as ns since 1970: that of `zone`, or of UTC without one."""
    shift = timedelta(0)
    if zone is not None:
        # The difference of the zone's clock at that reading; MATLAB's ms hold whole microseconds at best.
        shift = (_EPOCH + timedelta(milliseconds=reading_ms)).replace(tzinfo=zone).utcoffset() or shift
    microseconds = round(reading_ms * 1000) - shift // timedelta(microseconds=1)
    return microseconds * (NS_PER_S // 1_000_000)
