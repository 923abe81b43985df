"""What MATLAB's users call the rate, the centre, the gain and the start of their recordings.

Names are compared without case, `_` and a final `Hz`, as variables and as fields of structs alike:

| meaning | names |
|---|---|
| sample rate | `sampleRate`, `samplingRate`, `sampleFrequency`, `samplingFrequency`, `sampRate`, `fs`, `fSample` |
| centre | `centerFrequency`, `centreFrequency`, `centerFreq`, `centreFreq`, `carrierFrequency`, `carrierFreq`, `rfFrequency`, `rfFreq`, `fc` |
| gain | `gain`, `gainDb`, `rxGain`, `rxGainDb`, `receiverGain`, `receiverGainDb` |
| start | `start`, `startTime`, `dateTime`, `timestamp`, `timeUnix`, `startUnix`: ISO 8601 with a zone, or seconds since 1970, or a `datetime` of version 5 |
"""  # noqa: E501

from __future__ import annotations

import math
import re

from ..errors import BadInput
from ..frames import NS_PER_S
from ..limits import LATEST_NS
from ..sidecar import instant_ns
from .iq_origin import Origin

RATE_NAMES = (
    "samplerate", "samplingrate", "samplefrequency", "samplingfrequency", "samprate", "fs", "fsample",
)  # fmt: skip
CENTER_NAMES = (
    "centerfrequency", "centrefrequency", "centerfreq", "centrefreq", "carrierfrequency", "carrierfreq",
    "rffrequency", "rffreq", "fc",
)  # fmt: skip
GAIN_NAMES = ("gain", "gaindb", "rxgain", "rxgaindb", "receivergain", "receivergaindb")
START_NAMES = ("start", "starttime", "datetime", "timestamp", "timeunix", "startunix")
# 2001 to 2116: smaller numbers are no Unix times (MATLAB's datenum counts days: some 740,000).
_UNIX_TIMES = (1e9, LATEST_NS / NS_PER_S)


def origin_named(values: dict[str, float | str]) -> Origin:
    """The origin that named values tell; where several mean the same, the first in the table."""
    known = {_plain(name): value for name, value in reversed(values.items())}

    def first(names: tuple[str, ...]) -> float | None:
        for name in names:
            value = known.get(name)
            if isinstance(value, float) and math.isfinite(value):
                return value
        return None

    starts = (_start_ns(known[name]) for name in START_NAMES if name in known)
    return Origin(
        first(RATE_NAMES),
        first(CENTER_NAMES),
        next((start for start in starts if start is not None), None),
        first(GAIN_NAMES),
    )


def names_start(name: str) -> bool:
    """Whether a name is one of those for the start."""
    return _plain(name) in START_NAMES


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower()).removesuffix("hz")


def _start_ns(value: float | str) -> int | None:
    if not isinstance(value, str):
        return round(value * NS_PER_S) if _UNIX_TIMES[0] <= value <= _UNIX_TIMES[1] else None
    try:
        return instant_ns("start", value)
    except BadInput:
        return None
