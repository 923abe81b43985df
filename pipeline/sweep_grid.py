"""Where the lines of a sweep lie on one axis: from the hops of most sweeps to evenly spaced bins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from .errors import BadInput
from .limits import BINS_RANGE, MOST_CENTER_HZ

Hop = tuple[float, float, int]
"""Of one line: the centre of its lowest bin in Hz, the width of a bin in Hz, its number of bins."""

STEP_SLACK_BINS = 0.5
GRID_SLACK_BINS = 0.05


@dataclass(frozen=True, slots=True)
class Placed:
    """Bins [taken, taken + bins) of a line are bins [first, first + bins) of the row."""

    first: int
    taken: int
    bins: int


@dataclass(frozen=True, slots=True)
class SweepGrid:
    """Evenly spaced bins; `first_hz` is the centre of bin 0.

    `unmeasured` are single bins between two hops that neither measured: each takes the value of the bin
    below it. `problems` say what of the hops it was made from is not on it as it stands.
    """

    first_hz: float
    bin_hz: float
    bins: int
    unmeasured: tuple[int, ...] = ()
    problems: tuple[str, ...] = field(default=())

    def place(self, hop: Hop) -> Placed | None:
        """Where a line belongs, to the nearest bin; None where its bins are of another width or not here."""
        first_hz, bin_hz, bins = hop
        if abs(bin_hz - self.bin_hz) * bins > STEP_SLACK_BINS * self.bin_hz:
            return None
        first = round((first_hz - self.first_hz) / self.bin_hz)
        taken = max(0, -first)
        count = min(bins, self.bins - first) - taken
        return Placed(first + taken, taken, count) if count > 0 else None

    def covered(self, hops: Sequence[Hop]) -> int:
        """How many bins of a row these lines fill."""
        filled = np.zeros(self.bins, bool)
        for hop in hops:
            placed = self.place(hop)
            if placed is not None:
                filled[placed.first : placed.first + placed.bins] = True
        for bin_ in self.unmeasured:
            filled[bin_] = filled[bin_ - 1]
        return int(filled.sum())


def grid_of(owner: str, hops: Sequence[Hop]) -> SweepGrid:
    """The axis of a sweep of these lines, in whatever order they come.

    The width of a bin is that of most bins; lines of another are left out. Lines that lie between the
    bins of the others are taken to the nearest. Where lines leave more than a bin between them free, the
    longest stretch is the axis: a row has no holes. `BadInput` names `owner` where bins or frequencies
    are beyond their limits.
    """
    bin_hz = _usual_step(hops)
    problems: list[str] = []
    fitting = sorted(hop for hop in hops if abs(hop[1] - bin_hz) * hop[2] <= STEP_SLACK_BINS * bin_hz)
    others = [hop for hop in hops if abs(hop[1] - bin_hz) * hop[2] > STEP_SLACK_BINS * bin_hz]
    if others:
        first_hz, step_hz, _ = others[0]
        problems.append(
            f"{len(others)} of {len(hops)} lines of a sweep have bins of another width than {bin_hz:g} Hz,"
            f" such as {step_hz:g} Hz at {first_hz:.0f} Hz: left out"
        )
    bin_hz = _fitted_step(fitting, bin_hz)
    base_hz = fitting[0][0]
    offsets = [(first_hz - base_hz) / bin_hz for first_hz, _, _ in fitting]
    spans = [(round(offset), round(offset) + hop[2]) for offset, hop in zip(offsets, fitting, strict=True)]

    stretches, unmeasured = _stretches(spans)
    start, stop = max(stretches, key=lambda stretch: (stretch[1] - stretch[0], -stretch[0]))
    if len(stretches) > 1:
        left_out = sum(high - low for low, high in stretches) - (stop - start)
        problems.append(
            f"sweeps hold {len(stretches)} separate stretches of frequency; the longest is read,"
            f" {left_out} bins of the others are not"
        )
    kept = [(offset, span) for offset, span in zip(offsets, spans, strict=True) if start <= span[0] < stop]
    off_grid = max(abs(offset - span[0]) for offset, span in kept)
    if off_grid > GRID_SLACK_BINS:
        problems.append(
            f"lines lie up to {off_grid:.2f} bins between the bins of others: taken to the nearest"
        )
    free = tuple(bin_ - start for bin_ in unmeasured if start <= bin_ < stop)
    if free:
        problems.append(f"{len(free)} single bins between lines are not measured: the bin below stands in")
    twice = sum(high - low for _, (low, high) in kept) - (stop - start - len(free))
    if twice:
        problems.append(f"{twice} bins are measured twice in a sweep: the later line stands")

    first_hz, bins = base_hz + start * bin_hz, stop - start
    if not BINS_RANGE[0] <= bins <= BINS_RANGE[1]:
        raise BadInput(f"{owner}: {bins} bins in a sweep; limit: {BINS_RANGE[0]} to {BINS_RANGE[1]}")
    if not abs(first_hz + (bins - 1) / 2 * bin_hz) <= MOST_CENTER_HZ:
        raise BadInput(f"{owner}: sweeps around {first_hz:g} Hz; limit: {MOST_CENTER_HZ:g} Hz")
    return SweepGrid(first_hz, bin_hz, bins, free, tuple(problems))


def _usual_step(hops: Sequence[Hop]) -> float:
    """The median width over all bins."""
    half, seen = sum(hop[2] for hop in hops) / 2, 0
    for bin_hz, bins in sorted((hop[1], hop[2]) for hop in hops):
        seen += bins
        if seen >= half:
            return bin_hz
    raise ValueError("no lines")


def _fitted_step(fitting: Sequence[Hop], bin_hz: float) -> float:
    """The width of a bin by the whole sweep where its lines abut: more exact than what each line says."""
    below = sum(hop[2] for hop in fitting[:-1])
    if not below:
        return bin_hz
    fitted_hz = (fitting[-1][0] - fitting[0][0]) / below
    widest = max(hop[2] for hop in fitting)
    return fitted_hz if abs(fitted_hz - bin_hz) * widest < GRID_SLACK_BINS * bin_hz else bin_hz


def _stretches(spans: Sequence[tuple[int, int]]) -> tuple[list[tuple[int, int]], list[int]]:
    """Spans in rising order, joined where at most one bin lies between them; and those bins."""
    joined = [spans[0]]
    free: list[int] = []
    for low, high in spans[1:]:
        start, stop = joined[-1]
        if low > stop + 1:
            joined.append((low, high))
            continue
        if low == stop + 1:
            free.append(stop)
        joined[-1] = (start, max(stop, high))
    return joined, free
