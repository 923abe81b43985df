"""A recording's steps under the numbers by which people ask for its rows."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..pipeline.errors import BadInput
from ..pipeline.frames import NS_PER_S, Float32, Gap, Int64, PsdFrame, read_only
from ..pipeline.histories import MOST_SEASON_STEPS
from ..pipeline.noise_floor import NoiseFloor
from ..pipeline.recording import Recording
from ..pipeline.steps import MOST_FREQUENCIES
from .step_table import StepTable, gather_steps

MOST_VALUES = 2**27  # 512 MiB of float32


@dataclass(frozen=True, slots=True, eq=False)
class ForecastRows:
    """The steps of one band and their numbers, ascending, int64 [n]; `count` rows are counted in all.

    Where rows were aggregated, steps are counted as they came: one that is missing has no number. Where
    not, a step is a row of the file and has its number there: one that is not finite has a number and no
    step. `floor_db` float64 [n] is the noise floor that the agent would have tracked as each step ended; NaN
    where only steps are known.
    """

    table: StepTable
    number: Int64
    count: int
    floor_db: NDArray[np.float64]

    @classmethod
    def read(
        cls, recording: Recording, step_s: float | None, on_row: Callable[[], None] = lambda: None
    ) -> ForecastRows:
        """Aggregate a recording to steps of `step_s` seconds as the agent does, or take its rows as they are.

        Beyond 256 columns, neighbours are averaged. Raises BadInput where there is no step, where the band
        is retuned, and for more than 2**27 values.
        """
        if step_s is not None and step_s * NS_PER_S <= recording.step_ns:
            step_s = None  # a row lasts as long
        columns = min(recording.bins, MOST_FREQUENCIES)
        rows_a_step = 1 if step_s is None else max(1, int(step_s * NS_PER_S / recording.step_ns))
        if recording.rows // rows_a_step * columns > MOST_VALUES:
            raise BadInput(
                f"{recording.path}: {recording.rows // rows_a_step} steps of {columns} columns; limit: "
                f"{MOST_VALUES // columns} of them, so give a longer --step-seconds"
            )
        last_seq = -1
        numbers: list[int] = []
        noise_floor = NoiseFloor()
        floors_db: list[float] = []

        def frames() -> Iterator[PsdFrame | Gap]:
            nonlocal last_seq
            for item in recording:
                if isinstance(item, PsdFrame):
                    last_seq = item.seq
                    on_row()
                yield item

        def follow_floor(item: PsdFrame | Gap) -> None:
            noise_floor.gap(item) if isinstance(item, Gap) else noise_floor.push(item)

        def on_step() -> None:
            numbers.append(last_seq)
            floors_db.append(noise_floor.floor_db)

        # Of a nanosecond, every row is a step as it comes, and the last row read is the one.
        tables = gather_steps(
            [frames()], step_s=step_s or 1 / NS_PER_S, on_step=on_step, on_item=follow_floor
        )
        recording.require_finite_rows()
        if not tables:
            raise BadInput(f"{recording.path}: holds no whole step of {step_s:g} s")
        (table,) = tables
        floor_db = read_only(np.array(floors_db))
        if step_s is not None:
            return cls(table, np.arange(len(table.values)), len(table.values), floor_db)
        return cls(table, np.array(numbers, dtype=np.int64), max(recording.rows, last_seq + 1), floor_db)

    @classmethod
    def of_steps(cls, table: StepTable) -> ForecastRows:
        """Of steps that were read already, counted as they came."""
        count = len(table.values)
        return cls(table, np.arange(count), count, read_only(np.full(count, np.nan)))

    def between(self, rows: slice) -> StepTable:
        """The steps whose numbers lie in `rows`, on their own: nothing of another is in it."""
        first, end = np.searchsorted(self.number, (rows.start, rows.stop)).tolist()
        table = self.table

        def inside(breaks: tuple[int, ...]) -> tuple[int, ...]:
            return tuple(row - first for row in breaks if first < row < end)

        return dataclasses.replace(
            table,
            values=read_only(table.values[first:end].copy()),
            end_ns=read_only(table.end_ns[first:end].copy()),
            breaks=inside(table.breaks),
            changes=inside(table.changes),
        )

    def unbroken(self, before: int, after: int) -> Int64:
        """The numbers before which `before` steps, and from which on `after` steps, follow one another."""
        follows = np.zeros(self.count, dtype=bool)
        first = np.zeros(self.count, dtype=bool)  # is there, but follows nothing
        follows[self.number] = True
        first[self.number[[0, *self.table.breaks]]] = True
        follows &= ~first
        follows[1:] &= (follows | first)[:-1]  # a number without a step breaks, too
        follows_before = np.concatenate([[0], np.cumsum(follows)])
        origins = np.arange(before, max(before, self.count - after + 1))
        there = follows[origins - before] | first[origins - before]
        whole = follows_before[origins + after] - follows_before[origins - before + 1] == before + after - 1
        return origins[there & whole]

    def grid(self) -> list[Stretch]:
        """The steps as regular grids, missing ones rows of NaN: a stretch for each meaning of the rows."""
        table = self.table
        step_ns = table.step_s * NS_PER_S
        between = np.ones(len(table.values), dtype=np.int64)  # grid rows from the step before
        for row in table.breaks:
            late_ns = int(table.end_ns[row] - table.end_ns[row - 1])
            between[row] = max(1, round(late_ns / step_ns))
        # A hole as long as the longest season has nothing to tell to what comes after it.
        apart = {row for row in table.breaks if between[row] > MOST_SEASON_STEPS} | set(table.changes)
        firsts = [0, *sorted(apart), len(table.values)]
        return [
            Stretch.of(table.values[first:end], self.number[first:end], between[first:end])
            for first, end in itertools.pairwise(firsts)
        ]


@dataclass(frozen=True, slots=True, eq=False)
class Stretch:
    """A regular grid float32 [g, F], NaN where a step is missing, and where in it the numbered steps are.

    `place` int64 [n] is the grid row of the step with number `number` [n].
    """

    values: Float32
    number: Int64
    place: Int64

    @classmethod
    def of(cls, values: Float32, number: Int64, between: Int64) -> Stretch:
        """From steps [n, F] and how many grid rows each lies after the one before it."""
        place = np.cumsum(between) - between[0]
        grid = np.full((int(place[-1]) + 1, values.shape[1]), np.nan, dtype=np.float32)
        grid[place] = values
        return cls(read_only(grid), number, read_only(place))
