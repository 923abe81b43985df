"""soapy_power's binary format: a header and float32 power for every hop.

Source: xmikos/soapy_power, `writer.py` (`SoapyPowerBinFormat`, version 2), `power.py` and `psd.py`: `start`
is the centre of the lowest bin, `stop` that of the highest and one step more; power is in dB/Hz.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from datetime import datetime, timedelta
from io import BufferedReader
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo

import numpy as np

from ..errors import BadInput
from ..frames import NS_PER_S
from ..limits import BINS_RANGE, LATEST_NS, MOST_CENTER_HZ, MOST_STEP_HZ
from ..sidecar import Sidecar
from ..spectrum_line import SpectrumLine
from ..sweep_cut import SweepCut
from ..sweeps import SweptRows
from .byte_search import find_mark
from .reader import Format, FrameReader, Opening

MAGIC = b"SDRFF"
HEADER = struct.Struct("<BdddddQQ2x")
VERSION = 2
UNKNOWN_OFFSET = (
    "times are off by the recorder's distance from UTC, as soapy_power writes them, and its zone unknown:"
    " taken as UTC; write time_zone in the sidecar or give --time-zone"
)
_WHOLE_HEADER_BYTES = len(MAGIC) + HEADER.size


class Hop(NamedTuple):
    """The header of a record, as the program names its fields but for the units."""

    version: int
    start_s: float
    stop_s: float
    first_hz: float
    end_hz: float
    bin_hz: float
    samples: int
    power_bytes: int

    @property
    def bins(self) -> int:
        return round((self.end_hz - self.first_hz) / self.bin_hz)

    @property
    def fits(self) -> bool:
        """Whether its numbers can belong to one hop; NaN cannot."""
        return (
            self.version == VERSION
            # The clock may be set back between the two.
            and 0 <= self.start_s < LATEST_NS // NS_PER_S
            and 0 <= self.stop_s < LATEST_NS // NS_PER_S
            and -MOST_CENTER_HZ <= self.first_hz < self.end_hz <= MOST_CENTER_HZ
            and 0 < self.bin_hz <= MOST_STEP_HZ
            and 0.5 < (self.end_hz - self.first_hz) / self.bin_hz <= BINS_RANGE[1]
            # Some versions of scipy make float64 of the power.
            and self.power_bytes in (4 * self.bins, 8 * self.bins)
        )


class SoapyPowerLines:
    """The hops of a file, in the order they stand.

    soapy_power takes the UTC clock's time for a local one, so that its stamps are off by the recorder's
    distance from UTC: `zone`, where the recorder's clock was, puts them right. Bytes that are no record
    are passed over up to the next that is one.
    """

    def __init__(self, path: Path, zone: ZoneInfo | None) -> None:
        self._path = path
        self._zone = zone

    def __call__(self, with_power: bool) -> Iterator[SpectrumLine | str]:
        """A pass over the file, as `SweptRows` takes it."""
        with self._path.open("rb") as stream:
            for at, hop in _records(stream):
                if isinstance(hop, str):
                    yield hop
                    continue
                power = None
                if with_power:
                    stream.seek(at + _WHOLE_HEADER_BYTES)
                    raw = stream.read(hop.power_bytes)
                    if len(raw) < hop.power_bytes:
                        raise BadInput(f"{self._path}: shorter than when it was opened")
                    power = np.frombuffer(raw, dtype="<f8" if len(raw) == 8 * hop.bins else "<f4")
                time_ns = self._time_ns(hop.start_s)
                yield SpectrumLine(time_ns, hop.first_hz, hop.bin_hz, hop.bins, power, f"byte {at}")

    def lone_sweep_ns(self) -> int | None:
        """How long the file's only sweep lasted; None where there are more, or none, or the clock was set."""
        cut = SweepCut(fall_hz=0)
        first_s = last_s = None
        with self._path.open("rb") as stream:
            for _, hop in _records(stream):
                if isinstance(hop, str):
                    continue
                if cut.begins(hop.first_hz) and first_s is not None:
                    return None
                first_s, last_s = hop.start_s if first_s is None else first_s, hop.stop_s
        if first_s is None or last_s is None or last_s - first_s < 1e-9:
            return None
        return round((last_s - first_s) * NS_PER_S)

    def _time_ns(self, seconds: float) -> int:
        whole = math.floor(seconds)
        time_ns = whole * NS_PER_S + round((seconds - whole) * NS_PER_S)
        if self._zone is None:
            return time_ns
        ahead = datetime.fromtimestamp(whole, self._zone).utcoffset() or timedelta(0)
        return time_ns + (ahead.days * 86_400 + ahead.seconds) * NS_PER_S


def _records(stream: BufferedReader) -> Iterator[tuple[int, Hop | str]]:
    """Where each whole record stands and its header; what is none, in words."""
    size = stream.seek(0, 2)
    at = 0
    while at < size:
        hop = _hop_at(stream, at)
        whole = hop is not None and at + _WHOLE_HEADER_BYTES + hop.power_bytes <= size
        if hop is not None and whole:
            yield at, hop
            at += _WHOLE_HEADER_BYTES + hop.power_bytes
            continue
        following = find_mark(stream, at + 1, MAGIC, lambda place: _hop_at(stream, place) is not None)
        end = size if following is None else following
        what = "are no record" if hop is None else f"of a record of {hop.bins} bins, which is cut"
        yield at, f"byte {at}: {end - at} bytes {what}: left out"
        at = end


def _hop_at(stream: BufferedReader, at: int) -> Hop | None:
    stream.seek(at)
    raw = stream.read(_WHOLE_HEADER_BYTES)
    if len(raw) < _WHOLE_HEADER_BYTES or not raw.startswith(MAGIC):
        return None
    hop = Hop(*HEADER.unpack_from(raw, len(MAGIC)))
    return hop if hop.fits else None


def _matches(path: Path, head: bytes) -> bool:
    del path
    return head.startswith(MAGIC)


def _open(path: Path, sidecar: Sidecar, opening: Opening) -> FrameReader:
    zone = sidecar.time_zone or opening.time_zone
    lines = SoapyPowerLines(path, zone)
    return SweptRows(
        path,
        lines,
        format="soapy_power_binary",
        value_type="float32",
        unit=sidecar.unit or "dBFS/Hz",
        problems=() if zone else (UNKNOWN_OFFSET,),
        node=sidecar.node,
        band=sidecar.band,
        step_ns=sidecar.step_ns or lines.lone_sweep_ns(),
    )


FORMAT = Format(
    name="soapy_power_binary",
    suffixes=(".bin", ".soapy"),
    open=_open,
    matches=_matches,
    keys=("step_seconds", "unit", "node", "band", "format", "time_zone"),
)
