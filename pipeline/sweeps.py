"""Lines of spectrum -> rows: a sweep is a row, whatever its hops; for every swept format alike."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from .errors import BadInput
from .frames import NS_PER_S, Float32, Gap, Int64, PowerUnit, PsdFrame
from .limits import LATEST_DAY, LATEST_NS
from .readers.matrix import rows_at_once
from .readers.reader import Identity, RowFacts
from .spectrum_line import SpectrumLine
from .sweep_cut import SweepCut, possible
from .sweep_grid import Hop, grid_of
from .sweep_shapes import SweepShapes
from .sweep_times import UNKNOWN_STEP_NS, SweepTimes, spread_starts
from .timed_rows import TimedRows, timed_frames

MOST_LISTED = 20

Lines = Callable[[bool], Iterator[SpectrumLine | str]]


class SweptRows:
    """The rows of a file of swept spectra: a `FrameReader`.

    `lines(with_power)` starts a pass over the file: its lines in the order they stand, and for each part
    that cannot be read a text that says where and why (`line 17: 3 values, ...: left out`). Both kinds of
    pass must give the same lines; the one without power (`power=None`) should be cheap. Opening makes
    one such pass. At any time memory holds a few rows, however long the file.

    The rules:

    - A sweep ends where a line's frequency has been in it already, or where frequency falls from one line
      to the next by more than `fall_hz`: 0 for formats whose sweeps rise, the largest fall within a sweep
      for interleaved hops (5e6 for hackrf_sweep). A row's time is that of its sweep's first line.
    - The axis is that of the most common kind of sweep (see `sweep_grid.py`). Where lines of a sweep
      overlap, the later one stands.
    - Every sweep is one row. Bins that no line of it filled are NaN: a cut or partial sweep, or one of
      another axis, is a row that says so, and a problem.
    - Where several sweeps share a time and the clock, which counts in `clock_ns`, moves on by one count
      at a time, they are spread evenly over the count; the pass then reads the file once more, without
      power, a count ahead.
    - `step_ns` is how long a sweep takes, where the format says so; otherwise it is the median step.

    `problems` and `notes` are put before those found here; of texts from `lines` the first 20 are told,
    then how many more. `BadInput` where there is no line that can be read.
    """

    def __init__(
        self,
        path: Path,
        lines: Lines,
        *,
        format: str,  # noqa: A002 - as in RowFacts
        value_type: str,
        unit: PowerUnit,
        problems: tuple[str, ...] = (),
        notes: tuple[tuple[str, str], ...] = (),
        node: str | None = None,
        band: str | None = None,
        step_ns: int | None = None,
        clock_ns: int = 1,
        fall_hz: float = 0.0,
    ) -> None:
        self._path = path
        self._lines = lines
        self._fall_hz = fall_hz
        self._clock_ns = clock_ns
        shapes, times, flaws, unread = self._look()
        if times.earliest_ns is None:
            flaw = f": {flaws[0]}" if flaws else ""
            raise BadInput(f"{path}: no line of {format} can be read{flaw}")
        self._spread = times.spread
        self._grid = grid_of(str(path), shapes.usual)
        told = list(flaws)
        if unread > len(flaws):
            told.append(f"{unread - len(flaws)} more problems with lines")
        told += [*self._grid.problems, *shapes.flaws(self._grid)]
        if step_ns is None:
            step_ns = times.step_ns
            if step_ns is None:
                step_ns = UNKNOWN_STEP_NS
                told.append(f"no step between sweeps: each is taken to last {step_ns / NS_PER_S:g} s")
        end_ns = times.latest_ns + step_ns
        if end_ns > LATEST_NS:
            raise BadInput(f"{path}: the last sweep ends beyond {LATEST_DAY}; limit: {LATEST_DAY}")
        hops = len(shapes.usual)
        self.facts = RowFacts(
            format=format,
            value_type=value_type,
            rows=shapes.sweeps,
            bins=self._grid.bins,
            first_hz=self._grid.first_hz,
            bin_hz=self._grid.bin_hz,
            unit=unit,
            step_ns=step_ns,
            start_ns=times.earliest_ns,
            end_ns=end_ns,
            node=node,
            band=band,
            problems=(*problems, *told),
            notes=(*notes, *((("lines of a sweep", str(hops)),) if hops > 1 else ())),
        )

    def frames(self, identity: Identity, chunk_rows: int, from_ns: int | None) -> Iterator[PsdFrame | Gap]:
        """See `FrameReader`; the file is read from its start, whatever `from_ns`."""
        del from_ns  # lines have no index to seek by
        return timed_frames(self.facts, identity, self._blocks(chunk_rows))

    def _look(self) -> tuple[SweepShapes, SweepTimes, list[str], int]:
        """One pass without power: what the sweeps are, when, and what could not be read."""
        shapes, times = SweepShapes(), SweepTimes(self._clock_ns)
        cut = SweepCut(self._fall_hz)
        flaws: list[str] = []
        unread = 0
        hops: list[Hop] = []
        for line in possible(self._lines(False)):
            if isinstance(line, str):
                unread += 1
                if len(flaws) < MOST_LISTED:
                    flaws.append(line)
                continue
            if cut.begins(line.first_hz):
                if hops:
                    shapes.add(tuple(hops))
                    hops = []
                times.add(line.time_ns)
            hops.append((line.first_hz, line.bin_hz, line.bins))
        if hops:
            shapes.add(tuple(hops))
        times.finish()
        return shapes, times, flaws, unread

    def _stamps(self) -> Iterator[int]:
        """The time of every sweep, by a pass without power."""
        cut = SweepCut(self._fall_hz)
        for line in possible(self._lines(False)):
            if not isinstance(line, str) and cut.begins(line.first_hz):
                yield line.time_ns

    def _blocks(self, chunk_rows: int) -> Iterator[TimedRows]:
        starts = spread_starts(self._stamps(), self._clock_ns) if self._spread else None
        rows = self.facts.rows
        at_once = rows_at_once(chunk_rows, self._grid.bins, np.dtype(np.float32))
        first, starts_ns = 0, np.empty(0, np.int64)
        power, held = np.empty((0, 0), np.float32), 0
        cut = SweepCut(self._fall_hz)
        for line in possible(self._lines(True)):
            if isinstance(line, str):
                continue
            if cut.begins(line.first_hz):
                if held == len(power):
                    if held:
                        yield self._block(first, starts_ns, power)
                    first, held = first + held, 0
                    count = min(at_once, rows - first)
                    if not count:
                        return  # written since it was opened: the row count stands
                    starts_ns = np.empty(count, np.int64)
                    power = np.full((count, self._grid.bins), np.nan, np.float32)
                start_ns = line.time_ns if starts is None else next(starts, None)
                if start_ns is None:
                    raise BadInput(f"{self._path}: changed while it was read")
                starts_ns[held] = start_ns
                held += 1
            self._fill(power[held - 1], line)
        if first + held < rows:
            raise BadInput(f"{self._path}: {first + held} rows, {rows} when it was opened")
        yield self._block(first, starts_ns, power)

    def _fill(self, row: Float32, line: SpectrumLine) -> None:
        placed = self._grid.place((line.first_hz, line.bin_hz, line.bins))
        if placed is not None and line.power is not None:
            with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite
                taken = line.power[placed.taken : placed.taken + placed.bins]
                row[placed.first : placed.first + placed.bins] = taken

    def _block(self, first: int, starts_ns: Int64, power: Float32) -> TimedRows:
        free = np.array(self._grid.unmeasured, np.intp)
        power[:, free] = power[:, free - 1]
        return TimedRows(first, starts_ns, power)
