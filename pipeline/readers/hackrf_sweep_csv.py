"""hackrf_sweep's CSV: `date, time.us, hz_low, hz_high, hz_bin_width, num_samples, dB, dB, ...`, local time.

Source: greatscottgadgets/hackrf, `hackrf_sweep.c`. Every tuning gives two lines of 5 MHz with 5 MHz between
them, and the next fills what they left: frequency falls by 5 MHz within a sweep. The width of a bin is
rounded to 0.01 Hz; the number of points is an odd multiple of four, so that the edges lie between two bins.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from zoneinfo import ZoneInfo

from ..sidecar import Sidecar
from ..spectrum_line import SpectrumLine
from ..sweeps import SweptRows
from .dated_lines import dated_lines, numbers
from .local_clock import UNKNOWN_ZONE, LocalClock
from .reader import Format, FrameReader, Opening

LARGEST_FALL_HZ = 5.5e6
# A USB transfer: 16 blocks of 8192 samples at 20 MS/s, two thrown away before each, is 19.7 ms. Older
# versions give all sweeps in one the same time.
TRANSFER_NS = 20_000_000
NOTES = (("level", "the Hann window is not made up for: a full-scale tone reads -6 dBFS"),)

# What tells it from rtl_power: times to the microsecond, bins to 0.01 Hz.
_HEAD = re.compile(
    rb"(?:\xef\xbb\xbf)?"
    rb"\s*\d{4}-\d\d-\d\d, *\d\d:\d\d:\d\d\.\d{6}, *\d{1,11}, *\d{1,11}, *\d{1,7}\.\d\d, *\d{1,5}, *[-+\dni]"
)


class HackrfSweepTexts:
    """The lines of a file, in the order they stand."""

    def __init__(self, path: Path, zone: ZoneInfo | None) -> None:
        self._path = path
        self._zone = zone

    def __call__(self, with_power: bool) -> Iterator[SpectrumLine | str]:
        """A pass over the file, as `SweptRows` takes it."""
        for line in dated_lines(self._path, LocalClock(self._zone), look_at_values=not with_power):
            if isinstance(line, str):
                yield line
            elif line.count != line.bins_said:
                yield f"{line.place}: {line.count} values; limit: {line.bins_said}, one a bin: left out"
            else:
                bin_hz = (line.high_hz - line.low_hz) / line.count
                yield SpectrumLine(
                    time_ns=line.time_ns,
                    first_hz=line.low_hz + bin_hz / 2,
                    bin_hz=bin_hz,
                    bins=line.count,
                    power=numbers(line.values) if with_power else None,
                    place=line.place,
                )


def _matches(path: Path, head: bytes) -> bool:
    del path
    return _HEAD.match(head) is not None


def _open(path: Path, sidecar: Sidecar, opening: Opening) -> FrameReader:
    zone = sidecar.time_zone or opening.time_zone
    return SweptRows(
        path,
        HackrfSweepTexts(path, zone),
        format="hackrf_sweep",
        value_type="text",
        unit=sidecar.unit or "dBFS/bin",
        problems=() if zone else (UNKNOWN_ZONE,),
        notes=NOTES,
        node=sidecar.node,
        band=sidecar.band,
        step_ns=sidecar.step_ns,
        clock_ns=TRANSFER_NS,
        fall_hz=LARGEST_FALL_HZ,
    )


FORMAT = Format(
    name="hackrf_sweep",
    suffixes=(".csv", ".sweep"),
    open=_open,
    matches=_matches,
    keys=("step_seconds", "unit", "node", "band", "format", "time_zone"),
)
