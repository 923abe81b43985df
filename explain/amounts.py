"""Measured numbers as people write them: two figures, the unit that fits, no finer than was measured."""

from __future__ import annotations

import math

# From each size on in this unit.
_SCALES = {
    "Hz": ((1e9, 1e9, "GHz"), (1e6, 1e6, "MHz"), (1e3, 1e3, "kHz"), (0.0, 1.0, "Hz")),
    "Hz/s": ((1e6, 1e6, "MHz/s"), (1e3, 1e3, "kHz/s"), (0.0, 1.0, "Hz/s")),
    "s": (
        (7200.0, 3600.0, "h"),
        (120.0, 60.0, "min"),
        (1.0, 1.0, "s"),
        (1e-3, 1e-3, "ms"),
        (0.0, 1e-6, "µs"),
    ),
}
# A difference of level below this says nothing.
DB_STEP = 1.0


def rounded(value: float, resolution: float = 0.0) -> float:
    """To two significant figures, or to a readable step (1, 2 or 5 times a power of ten) that is not above
    the resolution where that is coarser."""
    if value == 0:
        return 0.0
    step = 10.0 ** (math.floor(math.log10(abs(value))) - 1)
    if resolution > 0:
        step = max(step, readable_step(resolution))
    return round(value / step) * step


def readable_step(most: float) -> float:
    """The largest of 1, 2 and 5 times a power of ten that is not above `most`."""
    power = 10.0 ** math.floor(math.log10(most))
    return next(factor * power for factor in (5, 2, 1) if factor * power <= most * (1 + 1e-9))


def amount(value: float, unit: str, resolution: float = 0.0) -> str:
    """A value in Hz, s, Hz/s, dB, a ratio (as %) or a count (no unit), as words have it.

    `amount(0.1834, "s")` is `180 ms`, `amount(5437, "Hz", 187.5)` is `5.4 kHz`. Minus signs are true ones.
    """
    if unit in _SCALES:
        # Rounding first: 999.7 Hz are 1 kHz.
        scale, name = _scale_of(abs(rounded(value, resolution)), unit)
        return f"{_plain(rounded(value / scale, resolution / scale))} {name}"
    if unit == "dB":
        return f"{_plain(round(value / DB_STEP) * DB_STEP)} dB"
    if unit == "ratio":
        return percent(value)
    return _plain(rounded(value)) if abs(value) < 10 else _plain(float(round(value)))


def exactly(value: float, unit: str) -> str:
    """A value with all of its figures: a limit that somebody has rounded, `1.25 s`, `0.3 %`, `849 Hz`."""
    if unit in _SCALES:
        scale, name = next(
            (scale, name)
            for start, scale, name in _SCALES[unit]
            if abs(value) >= start * (1 - 1e-9) and name not in ("min", "h")
        )
        return f"{_plain(value / scale)} {name}"
    if unit == "ratio":
        return f"{_plain(value * 100)} %"
    return _plain(value) + (f" {unit}" if unit else "")


def between(low: float, high: float, unit: str, resolution: float = 0.0) -> str:
    """`between 200 ms and 1 s`, `between 4 and 9 dB`; one of them where both read alike."""
    first, last = amount(low, unit, resolution), amount(high, unit, resolution)
    if first == last:
        return last
    if " " in first and first.split(" ", 1)[1] == last.split(" ", 1)[-1]:
        first = first.split(" ", 1)[0]
    return f"between {first} and {last}"


def percent(ratio: float) -> str:
    """`34 %`; one figure below 1 %; what is not quite all or nothing does not read as if it were."""
    if 0 < ratio < 0.001:
        return "less than 0.1 %"
    if ratio < 0.00995:
        return f"{_plain(round(ratio * 100, 1))} %"
    if 0.995 <= ratio < 1:
        return "more than 99 %"
    return f"{round(ratio * 100)} %"


def correlation(value: float) -> str:
    """Two decimals and a true minus sign; nothing reads as a negative zero. `""` for what is not known."""
    return f"{round(value, 2) + 0:.2f}".replace("-", "−") if math.isfinite(value) else ""


def frequency(value_hz: float, resolution_hz: float) -> str:
    """A place in the spectrum: `868.216 MHz`, as many decimals as the resolution is worth."""
    scale, unit = _scale_of(abs(value_hz), "Hz")
    decimals = max(0, math.ceil(-math.log10(resolution_hz / scale) - 1e-9))
    return f"{value_hz / scale:.{decimals}f} {unit}".replace("-", "−")


def frequencies(low_hz: float, high_hz: float, resolution_hz: float) -> str:
    """`868.200–868.224 MHz`; one frequency where both read alike."""
    scale, unit = _scale_of(max(abs(low_hz), abs(high_hz)), "Hz")
    decimals = max(0, math.ceil(-math.log10(resolution_hz / scale) - 1e-9))
    low, high = (f"{value / scale:.{decimals}f}".replace("-", "−") for value in (low_hz, high_hz))
    return f"{high} {unit}" if low == high else f"{low}–{high} {unit}"


def _scale_of(size: float, unit: str) -> tuple[float, str]:
    return next((scale, name) for start, scale, name in _SCALES[unit] if size >= start * (1 - 1e-9))


def _plain(value: float) -> str:
    """Without an exponent, trailing zeros or a zero that is negative."""
    text = f"{value:.6f}".rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text.replace("-", "−")
