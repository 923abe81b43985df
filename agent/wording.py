"""Numbers as people read them."""

from __future__ import annotations

from datetime import UTC, datetime


def duration(seconds: float) -> str:
    """`45 s`, `12 min 31 s`, `3 h 05 min`, `12 d 4 h`."""
    whole = int(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    if whole < 86_400:
        return f"{whole // 3600} h {whole % 3600 // 60:02} min"
    return f"{whole // 86_400} d {whole % 86_400 // 3600} h"


def span(seconds: float) -> str:
    """A duration without parts that are nothing: `60 s` is `1 min`, 7200 s are `2 h`."""
    for unit, unit_seconds in (("h", 3600), ("min", 60)):
        if seconds >= unit_seconds and seconds % unit_seconds == 0:
            return f"{seconds / unit_seconds:.0f} {unit}"
    return f"{seconds:g} s" if seconds < 60 else duration(seconds)


def counted(count: int, what: str) -> str:
    """`1 column`, `3 columns`."""
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def level(value: float | None) -> str:
    """One decimal, a true minus sign; a dash for what is not known."""
    return "–" if value is None else f"{value:.1f}".replace("-", "−")


def rate(per_second: float) -> str:
    """Rows a second, or a minute or an hour where they are rare."""
    if per_second >= 1000:
        return f"{per_second:,.0f} rows/s".replace(",", " ")
    if per_second >= 0.1 or per_second == 0:
        return f"{per_second:.1f} rows/s"
    if per_second * 60 >= 0.5:
        return f"{per_second * 60:.1f} rows/min"
    return f"{per_second * 3600:.1f} rows/h"


def count(number: int) -> str:
    """Thousands set apart."""
    return f"{number:,}".replace(",", " ")


def frequency_range(low_hz: float, high_hz: float) -> str:
    """Both ends in the one unit that suits the upper, with decimals enough to tell them apart; one frequency
    where they are the same."""
    units = (("GHz", 1e9), ("MHz", 1e6), ("kHz", 1e3))
    unit, scale_hz = next((one for one in units if abs(high_hz) >= one[1]), ("Hz", 1.0))
    if low_hz == high_hz:
        return f"{low_hz / scale_hz:.6f}".rstrip("0").rstrip(".").replace("-", "−") + f" {unit}"
    decimals, apart = 0, abs(high_hz - low_hz) / scale_hz
    while decimals < 6 and 0 < apart * 10**decimals < 100:
        decimals += 1
    return f"{low_hz / scale_hz:.{decimals}f}–{high_hz / scale_hz:.{decimals}f} {unit}".replace("-", "−")


def clock(time_ns: int) -> str:
    """`2026-01-31 12:03:20 UTC`."""
    return datetime.fromtimestamp(time_ns // 1_000_000_000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
