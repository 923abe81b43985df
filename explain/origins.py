"""Where and when a cluster's windows come from: segments of the band, hours of the day."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..pipeline.frames import NS_PER_S, Int64, read_only

HOURS = 24
_HOUR_NS = 3600 * NS_PER_S
PARTS_OF_DAY = (
    (0, 6, "at night"),
    (6, 12, "in the morning"),
    (12, 18, "in the afternoon"),
    (18, 24, "in the evening"),
)

Float64 = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Origins:
    """How many of a cluster's windows came from each segment and hour (of the day, UTC) and how many of all
    of the band's: what was heard more often gives more windows. int64 [segments] and [24].
    """

    segments: Int64
    hours: Int64
    all_segments: Int64
    all_hours: Int64

    @property
    def segment_shares(self) -> Float64:
        """Of the cluster's windows, the share from each segment."""
        return self.segments / max(int(self.segments.sum()), 1)

    @property
    def hour_shares(self) -> Float64:
        """Of the cluster's windows, the share from each hour of the day."""
        return self.hours / max(int(self.hours.sum()), 1)

    @property
    def share(self) -> float:
        """Of the band's windows, the cluster's."""
        return float(self.segments.sum() / max(int(self.all_segments.sum()), 1))


def origins_of(segments: Int64, start_ns: Int64, own: NDArray[np.bool_], segment_count: int) -> Origins:
    """The origins of the windows `own` [n] among windows of `segments` [n] that begin at `start_ns` [n]."""
    hours = hours_of_day(start_ns)
    return Origins(
        segments=read_only(np.bincount(segments[own], minlength=segment_count)),
        hours=read_only(np.bincount(hours[own], minlength=HOURS)),
        all_segments=read_only(np.bincount(segments, minlength=segment_count)),
        all_hours=read_only(np.bincount(hours, minlength=HOURS)),
    )


def hours_of_day(start_ns: Int64) -> Int64:
    """The hour of the day, UTC, 0 to 23, of each moment [n]."""
    return start_ns // _HOUR_NS % HOURS
