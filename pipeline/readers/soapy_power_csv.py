"""`.csv` of soapy_power, whose format `rtl_power` (its default) has the columns of rtl_power's file.

A line a hop: `date, time, Hz low, Hz high, Hz step, samples, dB/Hz, ...`. From its writer.py, psd.py and
power.py: UTC to the second, of each hop's end; Hz low is the centre of the lowest bin, Hz high that of
the highest and a step more, both as floating point; one value a bin, Welch's density in dB/Hz of full scale.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ..frames import NS_PER_S
from ..sidecar import Sidecar
from ..spectrum_line import SpectrumLine
from ..sweeps import SweptRows
from .dated_lines import DatedLine, dated_lines, first_dated, numbers
from .local_clock import LocalClock
from .reader import Format, Opening

NAME = "soapy_power"


def open_soapy_power(path: Path, sidecar: Sidecar, opening: Opening) -> SweptRows:
    """`BadInput` where there is no line that can be read."""
    del opening  # its time zone is for files of local times; these are UTC unless the sidecar says else

    def lines(with_power: bool) -> Iterator[SpectrumLine | str]:
        for line in dated_lines(path, LocalClock(sidecar.time_zone), look_at_values=not with_power):
            yield line if isinstance(line, str) else _spectrum(line, with_power)

    return SweptRows(
        path,
        lines,
        format=NAME,
        value_type="text",
        unit=sidecar.unit or "dBFS/Hz",
        notes=(("row times", "when the first hop of each sweep ended, to the second"),),
        node=sidecar.node,
        band=sidecar.band,
        step_ns=sidecar.step_ns,
        clock_ns=NS_PER_S,
    )


def matches(path: Path, head: bytes) -> bool:
    """Whether the first line has the columns of rtl_power, but Hz as floating point and no value twice."""
    line = first_dated(path, head)
    return line is not None and b"." in line.low and line.count == line.bins_said


def _spectrum(line: DatedLine, with_power: bool) -> SpectrumLine | str:
    if line.count != line.bins_said:
        return f"{line.place}: {line.count} values, {line.bins_said} are said: cut?: left out"
    step_hz = (line.high_hz - line.low_hz) / line.count
    power = numbers(line.values) if with_power else None
    return SpectrumLine(line.time_ns, line.low_hz, step_hz, line.count, power, line.place)


FORMAT = Format(
    NAME,
    (".csv",),
    open_soapy_power,
    matches,
    keys=("node", "band", "format", "time_zone", "unit", "step_seconds"),
)
