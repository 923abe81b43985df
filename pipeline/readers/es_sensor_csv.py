"""ElectroSense sensors' CSV: `seconds.nanoseconds,center,dB,dB,...,`, one line a hop.

Source: electrosense/es-sensor, `FileSink.cpp` (the nanoseconds are not padded with zeros: `12.5` is 12 s and
5 ns), `Averaging.cpp` (10 log10 of the mean squared FFT of raw samples, at least -100), `FFT.cpp` (bin n / 2
of n at the centre), `SequentialHopping.cpp` (hops overlap by a sixth of the sample rate unless told
otherwise), `AvroSerialization.cpp` (what the sensor uploads is a hop's middle).
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ..errors import BadInput
from ..frames import NS_PER_S
from ..sidecar import Sidecar
from ..spectrum_line import SpectrumLine
from ..sweeps import SweptRows
from .reader import Format, FrameReader, Opening

DEFAULT_RATE_HZ = 2_400_000.0
LONGEST_LINE_BYTES = 16 * 1024 * 1024
LINES_LOOKED_AT = 1000
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_FIELDS = re.compile(rb"(\d{1,11})\.(\d{1,9}),(\d{1,13}),")
# The numbers that a C++ stream prints; possessive, so that no text takes long.
_VALUES = re.compile(rb"(?:-?(?:\d++(?:\.\d++)?+(?:e[+-]\d++)?+|nan|inf),)++")


class EsSensorLines:
    """The hops of a file, in the order they stand, each cut to its share of the spectrum.

    What a hop has beyond half the way to its neighbours is the roll-off of the receiver's filter. As the
    sensor's own upload does, it is left out: `hop_hz` is the way between neighbours, None where there is
    one hop, which is left whole.
    """

    def __init__(self, path: Path, sample_rate_hz: float) -> None:
        self._path = path
        self._rate_hz = sample_rate_hz
        self.hop_hz = self._smallest_hop()

    def __call__(self, with_power: bool) -> Iterator[SpectrumLine | str]:
        """A pass over the file, as `SweptRows` takes it."""
        for number, line in self._texts():
            found = _FIELDS.match(line)
            if found is None or _VALUES.fullmatch(line, found.end()) is None:
                yield f"line {number}: not seconds.nanoseconds,center,dB,...,: left out"
                continue
            seconds, nanoseconds, center_hz = map(int, found.groups())
            bins = line.count(b",", found.end())
            bin_hz = self._rate_hz / bins
            half = bins if self.hop_hz is None else math.ceil(self.hop_hz / bin_hz / 2)
            first, end = max(0, bins // 2 - half), min(bins, bins // 2 + half + 1)
            power = None
            if with_power:
                cells = line[found.end() :].split(b",")[first:end]
                power = np.array([float(cell) for cell in cells], dtype=np.float32)
            yield SpectrumLine(
                time_ns=seconds * NS_PER_S + nanoseconds,
                first_hz=center_hz + (first - bins // 2) * bin_hz,
                bin_hz=bin_hz,
                bins=end - first,
                power=power,
                place=f"line {number}",
            )

    def _texts(self) -> Iterator[tuple[int, bytes]]:
        """Lines with their numbers from 1, without line ends and empty ones."""
        with self._path.open("rb") as stream:
            for number in itertools.count(1):
                line = stream.readline(LONGEST_LINE_BYTES + 1)
                if not line:
                    return
                if len(line) > LONGEST_LINE_BYTES:
                    raise BadInput(
                        f"{self._path}: line {number}: longer than {LONGEST_LINE_BYTES} bytes, the limit"
                    )
                if number == 1:
                    line = line.removeprefix(_BYTE_ORDER_MARK)
                if line.strip():
                    yield number, line.rstrip(b"\r\n")

    def _smallest_hop(self) -> float | None:
        centers = set()
        for _, line in itertools.islice(self._texts(), LINES_LOOKED_AT):
            found = _FIELDS.match(line)
            if found is not None:
                centers.add(int(found[3]))
        return min((high - low for low, high in itertools.pairwise(sorted(centers))), default=None)


def _matches(path: Path, head: bytes) -> bool:
    del path
    line, end, _ = head.removeprefix(_BYTE_ORDER_MARK).lstrip(b"\r\n").partition(b"\n")
    found = _FIELDS.match(line)
    # A table of numbers has no comma at the end of a line.
    return found is not None and (line.rstrip(b"\r").endswith(b",") or not end) and int(found[3]) >= 1_000_000


def _open(path: Path, sidecar: Sidecar, opening: Opening) -> FrameReader:
    del opening
    problems: tuple[str, ...] = ()
    rate_hz = sidecar.sample_rate_hz
    if rate_hz is None:
        rate_hz = DEFAULT_RATE_HZ
        problems = (f"sample rate not known: taken for es-sensor's {rate_hz / 1e6:g} MS/s (sample_rate_hz)",)
    lines = EsSensorLines(path, rate_hz)
    if lines.hop_hz is not None and lines.hop_hz > rate_hz:
        raise BadInput(
            f"{path}: hops of {lines.hop_hz} Hz, wider than the {rate_hz:.0f} Hz sampled;"
            " limit: sample_rate_hz in the sidecar, as the sensor had it"
        )
    return SweptRows(
        path,
        lines,
        format="es_sensor",
        value_type="text",
        unit=sidecar.unit or "dB",
        problems=problems,
        notes=() if lines.hop_hz is None else (("read of each hop", _share(lines.hop_hz, rate_hz)),),
        node=sidecar.node,
        band=sidecar.band,
        step_ns=sidecar.step_ns,
    )


def _share(hop_hz: float, rate_hz: float) -> str:
    read_hz = min(hop_hz, rate_hz)
    return f"{read_hz / 1e6:.9g} MHz of {rate_hz / 1e6:.9g}: the way between hops, around its centre"


FORMAT = Format(
    name="es_sensor",
    suffixes=(".csv",),
    open=_open,
    matches=_matches,
    keys=("sample_rate_hz", "step_seconds", "unit", "node", "band", "format"),
)
