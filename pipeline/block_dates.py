"""The dates of a radio's blocks, which follow the host's clock, handed on to the rows made of them."""

from __future__ import annotations

import dataclasses
from collections import deque
from fractions import Fraction

from .frames import NS_PER_S, IqBlock, PsdFrame


class BlockDates:
    """Blocks with counted dates for `PsdRows`, and its rows with the dates that their samples have.

    `PsdRows` counts samples from the first block after a break, and takes a block whose date has left that
    count for one that does not follow. A `SampleClock` that follows 100 ppm leaves it by 1 ms in ten
    seconds. So `counted` gives each block the date of the count, and `dated` gives a row what the block in
    which it begins was really dated, and the samples since. Rows of a run rise strictly.
    """

    def __init__(self) -> None:
        self.end_ns: int | None = None  # of the last row
        self.break_off()

    def break_off(self) -> None:
        """The next block does not follow the last."""
        self._start_ns: int | None = None
        self._samples = 0
        # Counted start of each block in which a row may yet begin, and how far its date is from that.
        self._offsets: deque[tuple[int, int]] = deque()
        self._last_ns: int | None = None

    def counted(self, block: IqBlock) -> IqBlock:
        """The block as if no clock had been followed since the last break."""
        if self._start_ns is None:
            self._start_ns = block.time_ns
        count_ns = self._start_ns + round(self._samples * NS_PER_S / Fraction(block.sample_rate_hz))
        self._samples += block.samples.shape[0]
        self._offsets.append((count_ns, block.time_ns - count_ns))
        return dataclasses.replace(block, time_ns=count_ns)

    def dated(self, row: PsdFrame) -> PsdFrame:
        """The next row that was made of the blocks, in order, with the date of its first sample."""
        while len(self._offsets) > 1 and self._offsets[1][0] <= row.time_ns:
            self._offsets.popleft()
        time_ns = row.time_ns + self._offsets[0][1]
        if self._last_ns is not None:
            # Where thousands of rows begin in one block, the next block may begin before the last ends.
            time_ns = max(time_ns, self._last_ns + 1)
        self._last_ns = time_ns
        self.end_ns = time_ns + row.duration_ns
        return dataclasses.replace(row, time_ns=time_ns)
