"""SigMF capture segments -> captures: where each stands in the file, and what goes on without a hole."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

from ..errors import BadInput
from ..frames import NS_PER_S
from ..limits import LATEST_DAY, LATEST_NS, MOST_CENTER_HZ
from ..sidecar import Sidecar
from .iq_reader import Capture
from .problem_lines import ProblemLines
from .sigmf_meta import Meta, MetaCapture, instant_ns

CLOCK_LIMIT_NS = 1_000_000
"""A segment whose own time departs further from the count of samples than this does not go on."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """Samples [first, first + samples) stand one after the other from `byte` on."""

    first: int
    samples: int
    byte: int


def stretches_of(path: Path, meta: Meta, data_bytes: int, sample_bytes: int) -> tuple[list[Stretch], int]:
    """One stretch a segment, and how many bytes are left over; `sample_bytes` are those of all channels.

    Segments beyond the end of the data have no samples. `BadInput` where they are not in order.
    """
    offset = meta.global_.offset or 0
    segments = meta.captures
    left = data_bytes - (meta.global_.trailing_bytes or 0) - sum(each.header_bytes or 0 for each in segments)
    total = max(0, left // sample_bytes)
    stretches: list[Stretch] = []
    headers = before = 0
    for number, segment in enumerate(segments):
        first = segment.sample_start - offset
        if first < before:
            where = f"after one at {before + offset}" if number else f"with core:offset {offset}"
            raise BadInput(
                f"{path}: capture {number}: core:sample_start: {segment.sample_start}, {where};"
                " limit: captures in the order of their samples"
            )
        if (segment.header_bytes or 0) < 0 or (segment.global_index or 0) < 0:
            raise BadInput(f"{path}: capture {number}: a negative number; limit: at least 0")
        headers += segment.header_bytes or 0
        end = segments[number + 1].sample_start - offset if number + 1 < len(segments) else total
        samples = max(0, min(end, total) - first)
        stretches.append(Stretch(first, samples, headers + first * sample_bytes))
        before = first
    return stretches, left % sample_bytes


class CaptureDating:
    """Dates segments one by one and merges those that go on.

    A segment's time is its `core:datetime`; without one it is counted on from the segment before, by
    `core:global_index` where both have it, else by samples. The sidecar's start moves all times alike.
    """

    def __init__(self, path: Path, sidecar: Sidecar, rate_hz: float, problems: ProblemLines) -> None:
        self._path = path
        self._sidecar = sidecar
        self._ns_per_sample = NS_PER_S / Fraction(rate_hz)
        self._problems = problems

    def captures(self, segments: Sequence[MetaCapture], stretches: Sequence[Stretch]) -> list[Capture]:
        """Captures with samples, in order; `BadInput` for a frequency or an end beyond the limits."""
        found: list[Capture] = []
        index: int | None = None  # the global index that would go on from the last capture
        later_ns: int | None = None
        unknown_hz = 0
        for number, (segment, stretch) in enumerate(zip(segments, stretches, strict=True)):
            if not stretch.samples:
                reason = f"begins at sample {segment.sample_start} with no samples to the next, or the end"
                self._problems.add(f"capture {number}: {reason}: left out")
                continue
            last = found[-1] if found else None
            own_ns = self._own_ns(number, segment)
            if later_ns is None:
                own_ns, later_ns = self._first_times(own_ns)
            elif own_ns is not None:
                own_ns += later_ns
            unknown_hz += segment.frequency is None and self._sidecar.center_hz is None
            center_hz = self._center_hz(number, segment)
            skipped = 0
            if last is not None:
                skipped = stretch.first - last.first - last.samples
                if index is not None and segment.global_index is not None:
                    skipped = segment.global_index - index
                counted_ns = last.time_ns + round((last.samples + skipped) * self._ns_per_sample)
                time_ns = counted_ns if own_ns is None else own_ns
                near = abs(time_ns - counted_ns) <= CLOCK_LIMIT_NS
                if near and not skipped and center_hz == last.center_hz:
                    found[-1] = replace(last, samples=last.samples + stretch.samples)
                    index = None if index is None else index + stretch.samples
                    continue
            else:
                time_ns = own_ns or 0
            found.append(Capture(stretch.first, stretch.samples, time_ns, center_hz))
            index = None if segment.global_index is None else segment.global_index + stretch.samples
        for each in found:
            end_ns = each.time_ns + each.samples * self._ns_per_sample
            if each.time_ns < 0 or end_ns > LATEST_NS:
                raise BadInput(
                    f"{self._path}: capture at sample {each.first}: {each.samples} samples from"
                    f" {each.time_ns} ns; limit: from 1970 to {LATEST_DAY}"
                )
        if unknown_hz:
            self._problems.add(
                f"{unknown_hz} of {len(stretches)} captures without core:frequency:"
                " frequencies are relative to the carrier (center_hz)"
            )
        return found

    def _own_ns(self, number: int, segment: MetaCapture) -> int | None:
        if segment.datetime is None:
            return None
        own_ns = instant_ns(segment.datetime)
        if own_ns is None:
            self._problems.add(
                f"capture {number}: core:datetime: '{segment.datetime[:40]}' is no UTC time from 1970 to"
                f" {LATEST_DAY}: read as if it were not there"
            )
        return own_ns

    def _first_times(self, own_ns: int | None) -> tuple[int, int]:
        """The first capture's time, and how much later than they say the others' are."""
        start_ns = self._sidecar.start_ns
        if own_ns is None:
            if start_ns is None:
                self._problems.add(
                    "no core:datetime in the first capture: its time counts from 1970-01-01T00:00:00Z (start)"
                )
            return start_ns or 0, 0
        return (own_ns, 0) if start_ns is None else (start_ns, start_ns - own_ns)

    def _center_hz(self, number: int, segment: MetaCapture) -> float:
        center_hz = self._sidecar.center_hz if self._sidecar.center_hz is not None else segment.frequency
        if not abs(center_hz or 0.0) <= MOST_CENTER_HZ:
            raise BadInput(
                f"{self._path}: capture {number}: core:frequency: {center_hz};"
                f" limit: -{MOST_CENTER_HZ:g} to {MOST_CENTER_HZ:g} Hz"
            )
        return center_hz or 0.0
