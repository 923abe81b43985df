"""When each sweep began, where the clock that stamped them is coarser than the sweeps are short."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from .step_median import StepMedian

UNKNOWN_STEP_NS = 1_000_000_000


class SweepTimes:
    """Gathers the stamps of all sweeps in order; memory stays bounded.

    Where a clock that counts in `clock_ns` moves on by no more than one count at a time (the median), and
    several sweeps share a stamp, they are faster than the clock: they are spread evenly over the count.
    Where it moves on by more, sweeps that share a stamp are the clock's fault and stay.
    """

    def __init__(self, clock_ns: int) -> None:
        self._clock_ns = clock_ns
        self._raw_ns, self._spread_ns, self._ticks_ns = StepMedian(), StepMedian(), StepMedian()
        self._stamp_ns: int | None = None
        self._sharing = 0
        self._shared = False
        self.earliest_ns: int | None = None
        self._latest_ns: tuple[int, int] | None = None  # as stamped, and spread

    def add(self, stamp_ns: int) -> None:
        """Take the stamp of the next sweep."""
        if stamp_ns == self._stamp_ns:
            self._sharing += 1
            return
        self._over()
        self._stamp_ns, self._sharing = stamp_ns, 1

    def finish(self) -> None:
        """There are no more."""
        self._over()
        self._stamp_ns = None

    @property
    def spread(self) -> bool:
        """Whether sweeps of one stamp are to be spread."""
        tick_ns = self._ticks_ns.median_ns
        return self._shared and self._clock_ns > 1 and (tick_ns is None or 0 < tick_ns <= self._clock_ns)

    @property
    def latest_ns(self) -> int:
        """Start of the latest sweep, spread where they are to be."""
        assert self._latest_ns is not None, "no sweep was added"
        return self._latest_ns[self.spread]

    @property
    def step_ns(self) -> int | None:
        """The median step between sweeps, None where it is not above 0."""
        for median_ns in (self._spread_ns.median_ns if self.spread else self._raw_ns.median_ns,):
            if median_ns is not None and median_ns > 0:
                return median_ns
        tick_ns = self._ticks_ns.median_ns
        return tick_ns if tick_ns is not None and tick_ns > 0 else None

    def _over(self) -> None:
        stamp_ns = self._stamp_ns
        if stamp_ns is None:
            return
        self._ticks_ns.add(stamp_ns)
        self._shared = self._shared or self._sharing > 1
        last_ns = stamp_ns
        for last_ns in spread_over(stamp_ns, self._sharing, self._clock_ns):
            self._raw_ns.add(stamp_ns)
            self._spread_ns.add(last_ns)
        self.earliest_ns = stamp_ns if self.earliest_ns is None else min(self.earliest_ns, stamp_ns)
        latest_ns = self._latest_ns or (stamp_ns, last_ns)
        self._latest_ns = (max(latest_ns[0], stamp_ns), max(latest_ns[1], last_ns))


def spread_starts(stamps_ns: Iterable[int], clock_ns: int) -> Iterator[int]:
    """The start of every sweep: those that share a stamp evenly over the clock's count, the first at it."""
    before_ns: int | None = None
    sharing = 0
    for stamp_ns in stamps_ns:
        if before_ns is not None and stamp_ns != before_ns:
            yield from spread_over(before_ns, sharing, clock_ns)
            sharing = 0
        before_ns = stamp_ns
        sharing += 1
    if before_ns is not None:
        yield from spread_over(before_ns, sharing, clock_ns)


def spread_over(stamp_ns: int, sharing: int, clock_ns: int) -> Iterator[int]:
    """So many starts, evenly over one count of the clock."""
    return (stamp_ns + turn * clock_ns // sharing for turn in range(sharing))
