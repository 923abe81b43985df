"""Where one sweep ends and the next begins, in a stream of lines that does not say so."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

from .limits import BINS_RANGE, LATEST_DAY, LATEST_NS, MOST_CENTER_HZ, MOST_STEP_HZ
from .spectrum_line import SpectrumLine

MOST_LINES = 16_384  # of one sweep
LEAST_STEP_HZ = 1e-6


class SweepCut:
    """Says of each line whether it begins a new sweep.

    It does where its frequency has been in the current sweep, or where frequency falls by more than
    `fall_hz` from the line before it: with 0, lines of a sweep come lowest frequency first.
    """

    def __init__(self, fall_hz: float) -> None:
        self._fall_hz = fall_hz
        self._seen: set[float] = set()
        self._before_hz = -math.inf

    def begins(self, first_hz: float) -> bool:
        """Take the next line."""
        fallen = first_hz < self._before_hz - self._fall_hz
        new = not self._seen or fallen or first_hz in self._seen or len(self._seen) >= MOST_LINES
        if new:
            self._seen.clear()
        self._seen.add(first_hz)
        self._before_hz = first_hz
        return new


def possible(lines: Iterable[SpectrumLine | str]) -> Iterator[SpectrumLine | str]:
    """The same, lines beyond what a frame can say replaced by what is wrong with them."""
    for line in lines:
        flaw = None if isinstance(line, str) else _flaw(line)
        yield line if flaw is None or isinstance(line, str) else f"{line.place}: {flaw}: left out"


def _flaw(line: SpectrumLine) -> str | None:
    if not 0 <= line.time_ns <= LATEST_NS:
        return f"its time; limit: 1970 to {LATEST_DAY}"
    if not abs(line.first_hz) <= MOST_CENTER_HZ:
        return f"{line.first_hz:g} Hz; limit: -{MOST_CENTER_HZ:g} to {MOST_CENTER_HZ:g} Hz"
    if not LEAST_STEP_HZ <= line.bin_hz <= MOST_STEP_HZ:
        return f"bins of {line.bin_hz:g} Hz; limit: {LEAST_STEP_HZ:g} to {MOST_STEP_HZ:g} Hz"
    if not 1 <= line.bins <= BINS_RANGE[1]:
        return f"{line.bins} bins; limit: 1 to {BINS_RANGE[1]}"
    return None
