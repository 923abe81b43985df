"""hackrf_sweep's binary output (`-B`): records of 5 MHz without a time.

Source: greatscottgadgets/hackrf, `hackrf_sweep.c`: uint32 length of what follows, uint64 low and high edge in
Hz, float32 power; in the byte order of the machine that wrote it, little-endian wherever HackRFs are met.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from io import BufferedReader
from pathlib import Path

import numpy as np

from ..errors import BadInput
from ..limits import LATEST_DAY, LATEST_NS
from ..sidecar import Sidecar
from ..spectrum_line import SpectrumLine
from ..sweep_cut import SweepCut
from ..sweeps import SweptRows
from .byte_search import find_mark
from .hackrf_sweep_csv import LARGEST_FALL_HZ, NOTES
from .reader import Format, FrameReader, Opening

HEADER = struct.Struct("<IQQ")
SPAN_HZ = 5_000_000
HIGHEST_HZ = 8_000_000_000
MOST_BINS = 65_536  # hackrf_sweep makes up to 2045
_EDGE_BYTES = 16


class HackrfSweepLines:
    """The records of a file, in the order they stand, all as long as the first.

    The file has no times: sweep s is at `start_ns + s * step_ns`. Bytes that are no record are passed over
    up to the next that is one.
    """

    def __init__(self, path: Path, start_ns: int, step_ns: int) -> None:
        self._path = path
        self._start_ns = start_ns
        self._step_ns = step_ns
        with path.open("rb") as stream:
            head = stream.read(HEADER.size)
        if low_edge(head, None) is None:
            raise BadInput(
                f"{path}: does not begin with a record; limit: its length, edges {SPAN_HZ} Hz apart, float32"
            )
        self._length = int.from_bytes(head[:4], "little")
        self._bins = (self._length - _EDGE_BYTES) // 4

    def __call__(self, with_power: bool) -> Iterator[SpectrumLine | str]:
        """A pass over the file, as `SweptRows` takes it."""
        bin_hz = SPAN_HZ / self._bins
        cut = SweepCut(LARGEST_FALL_HZ)
        sweep = -1
        with self._path.open("rb") as stream:
            for at, low_hz in self._records(stream):
                if isinstance(low_hz, str):
                    yield low_hz
                    continue
                power = None
                if with_power:
                    stream.seek(at + HEADER.size)
                    raw = stream.read(4 * self._bins)
                    if len(raw) < 4 * self._bins:
                        raise BadInput(f"{self._path}: shorter than when it was opened")
                    power = np.frombuffer(raw, dtype="<f4")
                # The number of points is an odd multiple of four: the edges lie between two bins.
                first_hz = low_hz + bin_hz / 2
                sweep += cut.begins(first_hz)
                time_ns = self._start_ns + sweep * self._step_ns
                if time_ns > LATEST_NS:
                    raise BadInput(f"{self._path}: sweep {sweep} is after {LATEST_DAY}; limit: {LATEST_DAY}")
                yield SpectrumLine(time_ns, first_hz, bin_hz, self._bins, power, f"byte {at}")

    def _records(self, stream: BufferedReader) -> Iterator[tuple[int, int | str]]:
        """Where each whole record stands and its low edge; what is none, in words."""

        def edge_at(place: int) -> int | None:
            stream.seek(place)
            return low_edge(stream.read(HEADER.size), self._length)

        size = stream.seek(0, 2)
        mark = self._length.to_bytes(4, "little")
        at = 0
        while at < size:
            low_hz = edge_at(at)
            if low_hz is not None and at + 4 + self._length <= size:
                yield at, low_hz
                at += 4 + self._length
                continue
            following = find_mark(stream, at + 1, mark, lambda place: edge_at(place) is not None)
            end = size if following is None else following
            what = "are no record" if low_hz is None else "of a record, which is cut"
            yield at, f"byte {at}: {end - at} bytes {what}: left out"
            at = end


def low_edge(raw: bytes, length: int | None) -> int | None:
    """The low edge of the record that begins with `raw`; None where it is none, or not of that length."""
    if len(raw) < HEADER.size:
        return None
    found, low_hz, high_hz = HEADER.unpack_from(raw)
    bins, rest = divmod(found - _EDGE_BYTES, 4)
    fits = not rest and 1 <= bins <= MOST_BINS and high_hz - low_hz == SPAN_HZ and high_hz <= HIGHEST_HZ
    return low_hz if fits and length in (None, found) else None


def _matches(path: Path, head: bytes) -> bool:
    del path
    return low_edge(head, None) is not None


def _open(path: Path, sidecar: Sidecar, opening: Opening) -> FrameReader:
    del opening
    assert sidecar.start_ns is not None
    assert sidecar.step_ns is not None
    return SweptRows(
        path,
        HackrfSweepLines(path, sidecar.start_ns, sidecar.step_ns),
        format="hackrf_sweep_binary",
        value_type="float32",
        unit=sidecar.unit or "dBFS/bin",
        notes=NOTES,
        node=sidecar.node,
        band=sidecar.band,
        step_ns=sidecar.step_ns,
        fall_hz=LARGEST_FALL_HZ,
    )


FORMAT = Format(
    name="hackrf_sweep_binary",
    suffixes=(".bin", ".sweep"),
    open=_open,
    matches=_matches,
    keys=("start", "step_seconds", "unit", "node", "band", "format"),
    required=("start", "step_seconds"),
)
