"""What the names of IQ recordings say: each program writes its own.

| program | name |
|---|---|
| rtl_433 | `g001_433.92M_1000k.cu8`: a frequency `M` or `Hz`, a rate `k` or `sps` |
| gamutRF | `gamutrf_recording_ettus__gain40_1646942116_100000000Hz_20971520sps.s16.zst` |
| Gqrx | `gqrx_20200101_120000_433920000_1800000_fc.raw`, UTC |
| SDR#, HDSDR, SDRuno | `SDRSharp_20200101_120000Z_433920000Hz_IQ.wav`, `..._14074kHz_RF.wav`, UTC |
| SDR++ | `baseband_433920000Hz_12-00-00_01-01-2020.wav`, local time |

Sources: rtl_433 `fileformat.h`; gamutRF `sdr_recorder.py`, `utils.py`; Gqrx `mainwindow.cpp`; SDR++
`recorder/main.cpp`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo

from ..frames import NS_PER_S
from .iq_origin import Origin

_SCALES = {"": 1.0, "k": 1e3, "m": 1e6, "g": 1e9}
_GAMUTRF = re.compile(r"(?:^|\D)(\d{1,10})(?:\.(\d{1,9}))?_(\d+)Hz.*\D(\d+)sps\.(c*[fisu]\d+|raw)(?:\.|$)")
_GAIN = re.compile(r"gain(-?\d+(?:\.\d+)?)(?:_|$)")
_GQRX = re.compile(r"gqrx_(\d{8}_\d{6})_(\d+)_(\d+)_fc")
_PLUS_PLUS = re.compile(r"(?P<clock>\d\d-\d\d-\d\d)_(?P<day>\d\d-\d\d-\d{4})")
_ZULU = re.compile(r"(?<!\d)(\d{8}_\d{6})Z")
_QUANTITY = re.compile(r"(?<![0-9A-Za-z.])(\d+(?:\.\d+)?)([kMG]?)(Hz|sps)?(?![0-9A-Za-z])", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class NamedIq:
    """What a name says; `local` where its time is that of a wall clock nobody named."""

    origin: Origin
    local: bool = False
    program: str | None = None


def named_iq(name: str, zone: tzinfo | None = None) -> NamedIq:
    """The facts in a file's name; a local time is that of `zone`, or taken for UTC without one."""
    if found := _GQRX.match(name):
        start_ns = _start_ns(found[1], "%Y%m%d_%H%M%S", UTC)
        return NamedIq(Origin(float(found[3]), float(found[2]), start_ns), program="gqrx")
    if found := _GAMUTRF.search(name):
        start_ns = int(found[1]) * NS_PER_S + int((found[2] or "").ljust(9, "0"))
        gain = _GAIN.search(name)
        origin = Origin(float(found[4]), float(found[3]), start_ns, None if gain is None else float(gain[1]))
        return NamedIq(origin, program="gamutrf")
    center_hz, rate_hz = _quantities(name)
    if found := _ZULU.search(name):
        return NamedIq(Origin(rate_hz, center_hz, _start_ns(found[1], "%Y%m%d_%H%M%S", UTC)))
    if found := _PLUS_PLUS.search(name):
        start_ns = _start_ns(f"{found['day']} {found['clock']}", "%d-%m-%Y %H-%M-%S", zone or UTC)
        return NamedIq(Origin(rate_hz, center_hz, start_ns), local=start_ns is not None)
    return NamedIq(Origin(rate_hz, center_hz))


def is_gamutrf_fft(name: str) -> bool:
    """gamutRF writes FFT points beside samples, under the same name with this before it."""
    return name.startswith("fft_")


def _quantities(name: str) -> tuple[float | None, float | None]:
    """A centre and a rate: by the unit, else `k` is a rate, and `M` or `G` a centre, then a rate."""
    center_hz: float | None = None
    rate_hz: float | None = None
    for number, scale, unit in _QUANTITY.findall(name):
        if not (scale or unit) or len(number) > 20:
            continue
        value = float(number) * _SCALES[scale.lower()]
        is_rate = unit.lower() == "sps" or (not unit and (scale.lower() == "k" or center_hz is not None))
        if is_rate:
            rate_hz = value
        elif center_hz is None:
            center_hz = value
    return center_hz, rate_hz


def _start_ns(text: str, pattern: str, zone: tzinfo) -> int | None:
    try:
        moment = datetime.strptime(text, pattern).replace(tzinfo=zone)
        seconds = round(moment.timestamp())
    except (ValueError, OverflowError):
        return None
    return seconds * NS_PER_S if seconds >= 0 else None
