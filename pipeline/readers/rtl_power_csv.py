"""`.csv` of rtl_power (rtl-sdr) and rx_power (rx_tools).

A line a hop: `date, time, Hz low, Hz high, Hz step, samples, dB, dB, ...`, local time to the second, the
same for all hops of a sweep: that when the sweep's integration ended. From `csv_dbm` of rtl_power.c:

- n bins of an FFT of len, then the last of them once more: n + 1 values. n is even, but 1 where a bin is
  a whole hop (1 MHz and wider).
- Hz low and high lie evenly around the frequency tuned to, which is the centre of bin n / 2 (of the only
  one, where n is 1). Without cropping, Hz low is so the centre of the lowest bin, and Hz high that of
  the bin after the highest. With cropping (-c), up to two bins more are written than lie between them.
- The step is rounded to 0.01 Hz, which over a hop can be many bins.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ..frames import NS_PER_S
from ..sidecar import Sidecar
from ..spectrum_line import SpectrumLine
from ..sweeps import SweptRows
from .dated_lines import DatedLine, dated_lines, first_dated, numbers
from .local_clock import UNKNOWN_ZONE, LocalClock
from .reader import Format, Opening

NAME = "rtl_power"
STEP_ROUNDING_HZ = 0.005
WIDTH_ROUNDING_HZ = 2.0
MOST_CROPPED_BINS = 2


def open_rtl_power(path: Path, sidecar: Sidecar, opening: Opening) -> SweptRows:
    """`BadInput` where there is no line that can be read."""
    zone = sidecar.time_zone or opening.time_zone

    def lines(with_power: bool) -> Iterator[SpectrumLine | str]:
        for line in dated_lines(path, LocalClock(zone), look_at_values=not with_power):
            yield line if isinstance(line, str) else _spectrum(line, with_power)

    return SweptRows(
        path,
        lines,
        format=NAME,
        value_type="text",
        unit=sidecar.unit or "dB",
        problems=() if zone else (UNKNOWN_ZONE,),
        notes=(("row times", "when each sweep ended, to the second"),),
        node=sidecar.node,
        band=sidecar.band,
        step_ns=sidecar.step_ns,
        clock_ns=NS_PER_S,
    )


def matches(path: Path, head: bytes) -> bool:
    """Whether the first line has the columns of rtl_power, its last value twice."""
    line = first_dated(path, head)
    if line is None or line.count < 2:
        return False
    last, last_again = (cell.strip() for cell in line.values.split(b",")[-2:])
    bins = line.count - 1
    return last == last_again and _bins(line) == bins and _as_said(line, bins)


def _spectrum(line: DatedLine, with_power: bool) -> SpectrumLine | str:
    bins = _bins(line)
    if not _as_said(line, bins):
        return (
            f"{line.place}: {line.count} values, {line.bins_said} bins and one more are said: cut?: left out"
        )
    step_hz = _exact_step(line, bins)
    center_hz = (line.low_hz + line.high_hz) / 2
    power = numbers(line.values)[:bins] if with_power else None
    return SpectrumLine(line.time_ns, center_hz - bins // 2 * step_hz, step_hz, bins, power, line.place)


def _bins(line: DatedLine) -> int:
    """All values but the one written twice: bins come in even numbers, or alone."""
    alone = line.count == 2 and line.bins_said == 1
    return line.count - 1 if line.count % 2 or alone else line.count


def _as_said(line: DatedLine, bins: int) -> bool:
    """Whether that many bins fit Hz low, high and step, all rounded, and whatever was cropped."""
    width_hz = line.high_hz - line.low_hz
    fewest = width_hz / (line.step_hz + STEP_ROUNDING_HZ)
    most = (width_hz + WIDTH_ROUNDING_HZ) / max(
        line.step_hz - STEP_ROUNDING_HZ, STEP_ROUNDING_HZ
    ) + MOST_CROPPED_BINS
    return bins > 0 and fewest - 0.5 < bins < most + 0.5


def _exact_step(line: DatedLine, bins: int) -> float:
    """The step by the width of the hop, which is less rounded.

    As many bins as an FFT has were not cropped; of others, between 0 and 2 bins more were written than
    lie in the width. Where the rounded step leaves that open it is taken as 1, which is half a bin wrong
    at most.
    """
    width_hz = line.high_hz - line.low_hz
    beyond = (0,) if bins & (bins - 1) == 0 else (1, 0, 2)
    possible = [width_hz / (bins - more) for more in beyond]
    slack_hz = STEP_ROUNDING_HZ + WIDTH_ROUNDING_HZ / bins
    fitting = [step_hz for step_hz in possible if abs(step_hz - line.step_hz) <= slack_hz]
    exact_hz = fitting[0] if fitting else line.step_hz
    return min(max(exact_hz, line.step_hz - STEP_ROUNDING_HZ), line.step_hz + STEP_ROUNDING_HZ)


FORMAT = Format(
    NAME,
    (".csv",),
    open_rtl_power,
    matches,
    keys=("node", "band", "format", "time_zone", "unit", "step_seconds"),
)
