"""Ranges and durations as people give them."""

from __future__ import annotations

import math
import re
from datetime import timedelta

from ..pipeline.errors import BadInput

_UNITS_HZ = {"hz": 1.0, "khz": 1e3, "mhz": 1e6, "ghz": 1e9}
_NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?"
_UNIT = r"(?:[kmg]?hz)"
_RANGE = re.compile(rf"({_NUMBER})\s*({_UNIT})?\s*[-–]\s*({_NUMBER})\s*({_UNIT})", re.IGNORECASE | re.ASCII)
_SECONDS = {"s": 1, "min": 60, "h": 3600, "d": 86_400, "w": 604_800}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(s|min|h|d|w)", re.ASCII)
_EXAMPLE = "a range such as 868.1-868.3MHz (Hz, kHz, MHz, GHz) or a cluster's number"
MOST_HZ = 1e12
MOST_SECONDS = 100 * 366 * 86_400


def range_hz(text: str) -> tuple[float, float]:
    """`868.1-868.3MHz`, `900kHz-1.1MHz`: both ends in Hz, the lower first; a unit at the end is for both."""
    found = _RANGE.fullmatch(text.strip())
    if found is None:
        raise BadInput(f"'{text}'; limit: {_EXAMPLE}")
    low, low_unit, high, unit = found.groups()
    low_hz = _hz(low, low_unit or unit)
    high_hz = _hz(high, unit)
    if not (math.isfinite(low_hz) and math.isfinite(high_hz) and max(abs(low_hz), abs(high_hz)) <= MOST_HZ):
        raise BadInput(f"'{text}'; limit: {MOST_HZ:g} Hz")
    if low_hz >= high_hz:
        raise BadInput(f"'{text}': {low_hz:.15g} to {high_hz:.15g} Hz; limit: the low end first")
    return low_hz, high_hz


def duration(option: str, text: str) -> timedelta:
    """`90s`, `45min`, `2h`, `3d`, `1w`."""
    found = _DURATION.fullmatch(text.strip())
    if found is None:
        raise BadInput(f"{option} {text}; limit: a duration such as 45min, 2h, 3d or 1w")
    seconds = float(found[1]) * _SECONDS[found[2]]
    if not 0 < seconds <= MOST_SECONDS:
        raise BadInput(f"{option} {text}; limit: above 0, at most 100 years")
    return timedelta(seconds=seconds)


def _hz(number: str, unit: str) -> float:
    """In the nearest Hz float to what was written: 868.1 MHz are 868100000."""
    hz = float(number) * _UNITS_HZ[unit.lower()]
    return round(hz, 3) if math.isfinite(hz) else hz
