"""What every reader of IQ recordings offers; `iq_rows.py` makes PSD rows of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from numpy.typing import NDArray

from ..frames import PowerUnit

Samples = NDArray[Any]
"""complex64 [n] with full scale 1.0, or interleaved integers [n, 2] (int8, uint8, int16), as they stand in
the file: `PowerSpectrum.rows` takes either without a copy."""

SampleType = Literal["cu8", "cs8", "cs16", "cf32"]


@dataclass(frozen=True, slots=True)
class Capture:
    """Consecutive samples of one tuning: samples [first, first + samples) of every channel."""

    first: int
    samples: int
    time_ns: int
    center_hz: float


@dataclass(frozen=True, slots=True)
class Annotation:
    """What somebody wrote about a stretch of samples; edges in Hz, None where not given."""

    first: int
    samples: int | None
    text: str
    low_hz: float | None = None
    high_hz: float | None = None


@dataclass(frozen=True, slots=True)
class IqFacts:
    """What is known of an IQ recording. `sample_type` says how the samples stand in the file (such as
    `cs16`, or a WAV's `24-bit PCM`); `frame_samples` is set where each so many samples stand alone."""

    format: str
    sample_type: str
    sample_rate_hz: float
    channels: int
    captures: tuple[Capture, ...]
    unit: PowerUnit = "dBFS/bin"
    gain_db: float | None = None
    node: str | None = None
    band: str | None = None
    frame_samples: int | None = None
    annotations: tuple[Annotation, ...] = ()
    problems: tuple[str, ...] = ()
    notes: tuple[tuple[str, str], ...] = ()

    @property
    def samples(self) -> int:
        """Samples of one channel in all captures."""
        return sum(capture.samples for capture in self.captures)


class IqReader(Protocol):
    """IQ samples of one file; nothing stays open between the passes over it."""

    facts: IqFacts

    def blocks(self, channel: int, first: int, samples: int, block_samples: int) -> Iterator[Samples]:
        """Samples [first, first + samples) of a channel in order, at most `block_samples` at a time.

        Each block is a new or read-only array. Memory: a block. `BadInput` where the file is broken.
        """
        ...
