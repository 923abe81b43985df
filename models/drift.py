"""How far a band has moved from what its model was calibrated with, by the novelty of its windows."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import deque
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from ..pipeline.frames import NS_PER_S, Assignment, read_only
from ..pipeline.state import State
from .stated import Stated

BLOCK_NS = 300 * NS_PER_S
MOST_BLOCKS = 72
RECENT_BLOCKS = 12
LEVELS = (0.8, 0.85, 0.9, 0.95)
CHANCE_DEVIATIONS = 2.5
BLOCKS_A_LOOK = 3
DRIFTING_FROM = 0.25
DRIFTING_UNTIL = 0.15

_ROUNDING = 1e-6  # a novelty of 0.95 is float32, and less
_CLASSES = len(LEVELS) + 1
_LATEST = 2**62


@dataclass(frozen=True, slots=True)
class Drift:
    """What the windows of the last hours say of a band's model, at `time_ns`, the end of the newest.

    `ratio`: at least this share of them, 0 to 1, is stranger than what the model was calibrated with; NaN
    until an hour has been heard. `drifting`: it reached 0.25 and has not fallen below 0.15 since; `crossed`:
    that it is so, or is no longer, is new.
    """

    node: str
    band: str
    time_ns: int
    ratio: float
    drifting: bool = False
    crossed: bool = False


@dataclass(slots=True)
class _Block:
    """Some minutes: how long windows covered, and how many had a novelty in each class between the levels."""

    number: int
    covered_ns: int = 0
    counts: list[int] = field(default_factory=lambda: [0] * _CLASSES)


class DriftWatch:
    """Assignments by one band model in; a `Drift` out with the first window of every five minutes.

    Novelties of usual windows are uniform. Where a share of the windows is of another kind, a novelty of u or
    above has more than 1 - u of all, and the excess divided by u is in the mean no more than that share: its
    largest value over the levels u bounds the share from below (Meinshausen and Rice, The Annals of
    Statistics 34 (2006), with p = 1 - u). Levels begin at 0.8: below, the excess tells busy hours
    of known activity from quiet ones.

    What chance gives is taken off first, 2.5 standard deviations of the mean. Windows overlap and segments
    hear the same moment, so blocks are counted and not windows, of three neighbours one; a block is five
    minutes of the rows' time, or as many times five as a window spans. Their variance is half the mean square
    of the differences between neighbours, which a lasting change leaves as it is (von Neumann et al., The
    Annals of Mathematical Statistics 12 (1941)). Each weighs as long as its windows cover, however many they
    are: another stride changes nothing.

    The bound is found for the last 12 blocks that were heard, so that a change shows within the hour, and
    for all of the last 72 (six hours), so that a slight one shows at all; the ratio is the larger. Counts are
    all that is kept. A clock may go back by a block; by more, and what was heard is of unknown age and
    forgotten.
    """

    def __init__(self, node: str, band: str) -> None:
        self._node = node
        self._band = band
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        self._block_ns = 0  # how long a block is; 0 before the first window
        self._heard_ns = 0  # end of the newest window
        self._blocks: deque[_Block] = deque(maxlen=MOST_BLOCKS)  # ascending; the last one is open
        self._standing = Drift(self._node, self._band, 0, math.nan)

    @property
    def standing(self) -> Drift:
        """What was said last; a ratio of NaN before."""
        return replace(self._standing, crossed=False)

    def push(self, assignment: Assignment) -> list[Drift]:
        """Take a window; the drift, if it is the first of a block. One without novelty is passed over."""
        novelty = assignment.novelty
        if novelty is None:
            return []
        drifts: list[Drift] = []
        block = self._block_of(assignment, drifts)
        block.counts[bisect_right(LEVELS, novelty + _ROUNDING)] += 1
        if assignment.end_ns > self._heard_ns:
            block.covered_ns += assignment.end_ns - max(assignment.start_ns, self._heard_ns)
            self._heard_ns = assignment.end_ns
        return drifts

    def state(self) -> State:
        """The counts, and what was said of them last."""
        counts = [block.counts for block in self._blocks]
        return {
            "block_ns": self._block_ns,
            "heard_ns": self._heard_ns,
            "numbers": _whole([block.number for block in self._blocks]),
            "covered_ns": _whole([block.covered_ns for block in self._blocks]),
            "counts": read_only(np.array(counts, np.int64).reshape(-1, _CLASSES)),
            "time_ns": self._standing.time_ns,
            "ratio": self._standing.ratio,
            "drifting": self._standing.drifting,
        }

    def restore(self, state: State) -> None:
        """Go on as the one that gave `state`; BadInput where it does not fit: as new, then."""
        self.reset()
        kept = Stated(f"drift of {self._node}/{self._band}", state)
        numbers = kept.array("numbers", np.int64, (None,))
        count = len(numbers)
        if count > MOST_BLOCKS or (np.diff(numbers) <= 0).any():
            raise kept.refuse("numbers", f"at most {MOST_BLOCKS}, ascending")
        covered_ns = kept.array("covered_ns", np.int64, (count,))
        counts = kept.array("counts", np.int64, (count, _CLASSES))
        if (counts < 0).any() or (counts.sum(axis=1) < 1).any() or (covered_ns < 0).any():
            raise kept.refuse("counts", "a window or more in each block, and time of 0 or more")
        block_ns = kept.integer("block_ns", least=BLOCK_NS if count else 0, most=_LATEST)
        heard_ns = kept.integer("heard_ns", most=_LATEST)
        time_ns = kept.integer("time_ns", most=_LATEST)
        ratio = kept.number("ratio")
        if not (math.isnan(ratio) or 0 <= ratio <= 1):
            raise kept.refuse("ratio", "0 to 1, or NaN")
        drifting = kept.value("drifting")
        if not isinstance(drifting, bool):
            raise kept.refuse("drifting", "true or false")
        self._block_ns, self._heard_ns = block_ns, heard_ns
        blocks = zip(numbers.tolist(), covered_ns.tolist(), counts.tolist(), strict=True)
        self._blocks.extend(_Block(*block) for block in blocks)
        self._standing = Drift(self._node, self._band, time_ns, ratio, drifting)

    def _block_of(self, assignment: Assignment, drifts: list[Drift]) -> _Block:
        """The block a window counts in; a new one closes that before, and all are looked at."""
        if not self._block_ns:
            spans = -(-(assignment.end_ns - assignment.start_ns) // BLOCK_NS)
            self._block_ns = BLOCK_NS * max(1, spans)
        number = assignment.start_ns // self._block_ns
        if self._blocks and number < self._blocks[-1].number - 1:
            self._blocks.clear()
            self._heard_ns = 0
        if not self._blocks or number > self._blocks[-1].number:
            while self._blocks and self._blocks[0].number <= number - MOST_BLOCKS:
                self._blocks.popleft()
            drifts.append(self._look(assignment.end_ns))
            self._blocks.append(_Block(number))
        return self._blocks[-1]

    def _look(self, time_ns: int) -> Drift:
        """What the blocks say that are closed."""
        ratio = math.nan
        if len(self._blocks) >= RECENT_BLOCKS:
            counts = np.array([block.counts for block in self._blocks], np.float64)  # [n, 5]
            seconds = np.array([max(block.covered_ns, 1) for block in self._blocks]) / NS_PER_S  # [n]
            ratio = least_strange_share(counts, seconds)
        before = self._standing.drifting
        limit = DRIFTING_UNTIL if before else DRIFTING_FROM
        drifting = before if math.isnan(ratio) else ratio >= limit
        self._standing = Drift(self._node, self._band, time_ns, ratio, drifting, drifting != before)
        return self._standing


def least_strange_share(counts: NDArray[np.float64], seconds: NDArray[np.float64]) -> float:
    """At least this share of windows is stranger than uniform novelties allow: 0 to 1.

    Shape: counts [n, 5] of windows in n blocks with novelties from 0 and from each level on, seconds [n] that
    they cover; n at least 12.
    """
    levels = np.array(LEVELS)
    from_level_on = counts[:, ::-1].cumsum(axis=1)[:, ::-1]
    excess = from_level_on[:, 1:] / from_level_on[:, :1] - (1 - levels)  # [n, 4]
    variance = np.square(np.diff(excess, axis=0)).mean(axis=0) / 2
    largest = 0.0
    for newest in (RECENT_BLOCKS, len(excess)):
        weights = seconds[-newest:] / seconds[-newest:].sum()
        looks = 1 / np.square(weights).sum() / BLOCKS_A_LOOK
        chance = CHANCE_DEVIATIONS * np.sqrt(variance / looks)
        shares = (weights @ excess[-newest:] - chance) / levels
        largest = max(largest, float(shares.max()))
    return min(largest, 1.0)


def _whole(values: list[int]) -> NDArray[np.int64]:
    return read_only(np.array(values, np.int64))
