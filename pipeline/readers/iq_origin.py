"""Where an IQ recording of one tuning comes from: the sidecar's word first, then the file's or its name's."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from ..errors import BadInput
from ..frames import NS_PER_S
from ..limits import LATEST_DAY, LATEST_NS, MOST_CENTER_HZ
from ..sidecar import Sidecar
from .iq_reader import Capture

MOST_RATE_HZ = 1e11
IQ_KEYS = ("format", "sample_rate_hz", "center_hz", "start", "node", "band", "unit", "time_zone")


@dataclass(frozen=True, slots=True)
class Origin:
    """What a file or its name says of its samples; None where it does not."""

    sample_rate_hz: float | None = None
    center_hz: float | None = None
    start_ns: int | None = None
    gain_db: float | None = None

    def or_else(self, other: Origin) -> Origin:
        """This, and the other's word where this has none."""
        return Origin(
            other.sample_rate_hz if self.sample_rate_hz is None else self.sample_rate_hz,
            other.center_hz if self.center_hz is None else self.center_hz,
            other.start_ns if self.start_ns is None else self.start_ns,
            other.gain_db if self.gain_db is None else self.gain_db,
        )


@dataclass(frozen=True, slots=True)
class Tuning:
    """The only capture of a recording, its rate, and what had to be assumed."""

    sample_rate_hz: float
    capture: Capture
    problems: tuple[str, ...]


def one_tuning(path: Path, sidecar: Sidecar, told: Origin, samples: int) -> Tuning:
    """The capture that so many samples make.

    A missing start is 1970-01-01T00:00:00Z and a missing centre 0 Hz: both are told as problems. `BadInput`
    without samples, without a rate, and where a number is beyond its limit.
    """
    said = Origin(sidecar.sample_rate_hz, sidecar.center_hz, sidecar.start_ns).or_else(told)
    if samples < 1:
        raise BadInput(f"{path}: holds no samples; limit: at least 1")
    rate_hz, center_hz, start_ns = said.sample_rate_hz, said.center_hz, said.start_ns
    if rate_hz is None:
        raise BadInput(
            f"{path}: no sample rate, in the file, its name or a sidecar; write sample_rate_hz in"
            f" {sidecar.path} (center_hz and start too, where they are known)"
        )
    if not (math.isfinite(rate_hz) and 0 < rate_hz <= MOST_RATE_HZ):
        raise BadInput(f"{path}: sample rate {rate_hz:g}; limit: above 0, at most {MOST_RATE_HZ:g} a second")
    problems: list[str] = []
    if center_hz is None:
        center_hz = 0.0
        problems.append("no centre frequency is given: frequencies are relative to the carrier (center_hz)")
    if not abs(center_hz) <= MOST_CENTER_HZ:
        raise BadInput(f"{path}: centre {center_hz:g}; limit: -{MOST_CENTER_HZ:g} to {MOST_CENTER_HZ:g} Hz")
    if start_ns is None:
        start_ns = 0
        problems.append("no start is given: times count from 1970-01-01T00:00:00Z (start)")
    end_ns = start_ns + samples / rate_hz * NS_PER_S
    if start_ns < 0 or end_ns > LATEST_NS:
        raise BadInput(
            f"{path}: {samples:,} samples at {rate_hz:g} a second from {start_ns / NS_PER_S:.9g} s after"
            f" 1970; limit: from 1970 to {LATEST_DAY}"
        )
    return Tuning(rate_hz, Capture(0, samples, start_ns, center_hz), tuple(problems))
