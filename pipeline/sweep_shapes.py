"""Which sweep is the usual one of a file, and which sweeps are not like it, in bounded memory."""

from __future__ import annotations

from dataclasses import dataclass, field

from .row_runs import RowRuns
from .sweep_grid import Hop, SweepGrid

MOST_SHAPES = 64
MOST_LISTED = 20

Shape = tuple[Hop, ...]


@dataclass(slots=True)
class _Seen:
    """Sweeps of one shape."""

    sweeps: int = 0
    runs: RowRuns = field(default_factory=RowRuns)


class SweepShapes:
    """Counts sweeps by their lines, as they come.

    Beyond 64 different shapes the rarer half is forgotten: a shape that most sweeps have never is.
    """

    def __init__(self) -> None:
        self.sweeps = 0
        self._seen: dict[Shape, _Seen] = {}
        self._forgotten = 0

    def add(self, shape: Shape) -> None:
        """Take the lines of the next sweep."""
        seen = self._seen.get(shape)
        if seen is None:
            if len(self._seen) == MOST_SHAPES:
                self._forget()
            seen = self._seen[shape] = _Seen()
        seen.sweeps += 1
        seen.runs.add(self.sweeps)
        self.sweeps += 1

    @property
    def usual(self) -> Shape:
        """The shape of most sweeps; of several, the one with the most bins, then the first."""
        return max(self._seen, key=lambda shape: (self._seen[shape].sweeps, sum(hop[2] for hop in shape)))

    def flaws(self, grid: SweepGrid) -> list[str]:
        """Rows that lack bins or hold lines that are not of the grid, a line each run of rows, at most 20."""
        usual = self.usual
        words: list[str] = []
        beyond = self._forgotten
        for shape, seen in self._seen.items():
            if shape == usual:
                continue
            flaw = _flaw(shape, grid)
            if flaw is None:
                continue
            if len(words) >= MOST_LISTED:
                beyond += seen.sweeps
            else:
                words += seen.runs.in_words(flaw)
        if beyond:
            words.append(f"{beyond} more rows are not sweeps like most")
        return words

    def _forget(self) -> None:
        rare_first = sorted(self._seen, key=lambda shape: self._seen[shape].sweeps)
        for shape in rare_first[: MOST_SHAPES // 2]:
            self._forgotten += self._seen.pop(shape).sweeps


def _flaw(shape: Shape, grid: SweepGrid) -> str | None:
    missing = grid.bins - grid.covered(shape)
    if missing == grid.bins:
        low_hz, high_hz = min(hop[0] for hop in shape), max(hop[0] + (hop[2] - 1) * hop[1] for hop in shape)
        return f"a sweep of {low_hz:.0f} to {high_hz:.0f} Hz, not on the axis of most: NaN for all its bins"
    if missing:
        return f"a partial sweep: {missing} of {grid.bins} bins missing, NaN in their place"
    other = sum(grid.place(hop) is None for hop in shape)
    return f"{other} lines that are not on the axis of most sweeps: left out" if other else None
