"""What receivers' programs add to a WAV of IQ samples: when and where it was recorded.

`auxi` of SpectraVue, kept by SDR#, HDSDR, SDRuno, SDRangel and ka9q-radio: two SYSTEMTIMEs (start, stop),
then u32 centre, and from byte 59 HDSDR's order of the channels and the centre in 64 bits. SDR Console
writes XML into it. `rcvr` of Perseus: i32 centre, i32, u32 Unix time.

Sources: SpectraVue User Guide 3.18; Linrad `z_WAV_FORMATS.txt`; SDRangel `wavfilerecord.cpp`.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from datetime import datetime, tzinfo

from ..frames import NS_PER_S
from .iq_origin import Origin

_QI = 5
_XML_CENTER = re.compile(r'RadioCenterFreq="(\d{1,15})"')
_XML_START = re.compile(r'UTCSeconds="(\d{1,12})"')


@dataclass(frozen=True, slots=True)
class WavOrigin:
    """The origin that the chunks tell; `swapped` where Q stands before I."""

    origin: Origin
    swapped: bool = False


def wav_origin(kept: dict[bytes, bytes], zone: tzinfo) -> WavOrigin:
    """What `auxi` or `rcvr` say; `auxi`'s times are read as those of `zone`, most write UTC."""
    auxi, rcvr = kept.get(b"auxi", b""), kept.get(b"rcvr", b"")
    if auxi[:1] == b"<":
        return WavOrigin(_from_xml(auxi))
    if len(auxi) >= 36:
        return _from_auxi(auxi, zone)
    if len(rcvr) >= 12:
        center_hz, _, seconds = struct.unpack_from("<iiI", rcvr)
        return WavOrigin(Origin(None, float(center_hz), seconds * NS_PER_S))
    return WavOrigin(Origin())


def _from_auxi(auxi: bytes, zone: tzinfo) -> WavOrigin:
    (center_hz,) = struct.unpack_from("<I", auxi, 32)
    swapped = False
    if len(auxi) >= 68:
        low, high = struct.unpack_from("<II", auxi, 60)
        # Others leave bytes of anything there: the low half must repeat the centre.
        if low == center_hz and high < 0x100:
            center_hz += high << 32
        swapped = auxi[59] == _QI and low in (0, center_hz & 0xFFFFFFFF)
    return WavOrigin(Origin(None, float(center_hz) or None, _system_time_ns(auxi, zone)), swapped)


def _system_time_ns(raw: bytes, zone: tzinfo) -> int | None:
    """A SYSTEMTIME in ns since 1970; None where it is no time."""
    year, month, _, day, hour, minute, second, ms = struct.unpack_from("<8H", raw)
    try:
        moment = datetime(year, month, day, hour, minute, second, tzinfo=zone)
        start_ns = (round(moment.timestamp()) * 1000 + ms) * 1_000_000
    except (ValueError, OverflowError):
        return None
    return start_ns if start_ns >= 0 and ms < 1000 else None


def _from_xml(auxi: bytes) -> Origin:
    text = auxi.decode("utf-16-le" if auxi[1:2] == b"\0" else "utf-8", errors="replace")
    center, start = _XML_CENTER.search(text), _XML_START.search(text)
    return Origin(
        None,
        None if center is None else float(center[1]),
        None if start is None else int(start[1]) * NS_PER_S,
    )
