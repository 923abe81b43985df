"""What each cluster looks like: its average spectrogram, its levels, its most typical window, its origins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..pipeline.errors import BadInput
from ..pipeline.frames import Float32, Int64, read_only
from ..pipeline.windows import ABOVE_FLOOR_DB, BELOW_FLOOR_DB, WINDOW_BINS, WINDOW_ROWS
from .origins import HOURS, Origins, hours_of_day

LEVELS = 160
LEVEL_STEP_DB = (BELOW_FLOOR_DB + ABOVE_FLOOR_DB) / LEVELS
LEVEL_QUANTILES = (0.1, 0.5, 0.9, 0.99)

_SHAPE = (WINDOW_ROWS, WINDOW_BINS)


@dataclass(frozen=True, eq=False)
class Portrait:
    """One cluster. Levels are dB above the tracked floor, from -5 to 35: what is beyond is clipped.

    `mean_db` float32 [128, 128]: the average spectrogram, the mean of levels in dB, oldest row first;
    bursts that come at any time blur into columns there. `level_db` float32 [4, 128]: of each column the 10,
    50, 90 and 99 % quantiles over all rows of all windows, to 0.25 dB, where they do not blur. `typical_db`
    float32 [128, 128]: the window nearest to the centre, and which one it was; None if no distance was told.
    """

    cluster: int
    windows: int
    mean_db: Float32
    level_db: Float32
    origins: Origins
    typical_db: Float32 | None
    typical_start_ns: int | None
    typical_segment: int | None


@dataclass(frozen=True, eq=False)
class _Nearest:
    """The window nearest to its centre: of those as near, the earliest, then that of the lowest segment."""

    order: tuple[float, int, int]
    values: Float32


class Portraits:
    """Portraits of clusters (the first paper's figure 8), window by window, in bounded memory.

    `clusters` are the numbers that may come, each 0.4 MB whatever comes; `segments` those of the band. Two of
    the same clusters and segments `merge` into what one would be that had seen all windows (the means to
    float64's rounding, all else exactly). Raises BadInput where a cluster stands twice or there is none.
    """

    def __init__(self, clusters: Sequence[int] | Int64, segments: int) -> None:
        self.clusters = tuple(int(cluster) for cluster in clusters)
        self.segments = segments
        if not self.clusters or len(set(self.clusters)) != len(self.clusters):
            raise BadInput(f"portraits: clusters {list(self.clusters)}, needs at least one, each once")
        if segments < 1:
            raise BadInput(f"portraits: {segments} segments, needs at least 1")
        self._places = {cluster: place for place, cluster in enumerate(self.clusters)}
        count = len(self.clusters)
        self._sums = np.zeros((count, *_SHAPE), dtype=np.float64)
        self._levels = np.zeros((count, WINDOW_BINS, LEVELS), dtype=np.int64)
        self._by_segment = np.zeros((count, segments), dtype=np.int64)
        self._by_hour = np.zeros((count, HOURS), dtype=np.int64)
        self._nearest: list[_Nearest | None] = [None] * count

    @property
    def windows(self) -> int:
        """How many windows have been added."""
        return int(self._by_segment.sum())

    def add(
        self,
        values: NDArray[np.floating[Any]],
        cluster: int,
        segment: int,
        start_ns: int,
        distance: float | None = None,
    ) -> None:
        """One more window: values [128, 128] in [0, 1] as windows have them; its distance from the centre.

        Raises BadInput for an unknown cluster or segment, another shape and values that are not in [0, 1].
        """
        place = self._places.get(cluster)
        if place is None:
            raise BadInput(f"portraits: cluster {cluster} is none of {', '.join(map(str, self.clusters))}")
        if not 0 <= segment < self.segments:
            raise BadInput(f"portraits: segment {segment}, the band has 0 to {self.segments - 1}")
        if values.shape != _SHAPE:
            raise BadInput(f"portraits: window of shape {list(values.shape)}, needs {list(_SHAPE)}")
        values = values.astype(np.float32)
        if not (values.min() >= 0 and values.max() <= 1):  # NaN fails too
            raise BadInput(
                f"portraits: window with values from {values.min():g} to {values.max():g}, needs 0 to 1"
            )
        self._sums[place] += values
        level = np.minimum((values * np.float32(LEVELS)).astype(np.int64), LEVELS - 1)
        level += np.arange(WINDOW_BINS) * LEVELS
        self._levels[place] += np.bincount(level.ravel(), minlength=WINDOW_BINS * LEVELS).reshape(-1, LEVELS)
        self._by_segment[place, segment] += 1
        self._by_hour[place, hours_of_day(np.array([start_ns]))[0]] += 1
        if distance is not None and np.isfinite(distance):
            self._take_nearest(place, _Nearest((float(distance), start_ns, segment), values))

    def merge(self, other: Portraits) -> None:
        """Take in all that another has seen. Raises BadInput unless it has the same clusters and segments."""
        if (self.clusters, self.segments) != (other.clusters, other.segments):
            raise BadInput(
                f"portraits of clusters {list(other.clusters)} in {other.segments} segments do not merge "
                f"into those of clusters {list(self.clusters)} in {self.segments}"
            )
        self._sums += other._sums
        self._levels += other._levels
        self._by_segment += other._by_segment
        self._by_hour += other._by_hour
        for place, nearest in enumerate(other._nearest):
            if nearest is not None:
                self._take_nearest(place, nearest)

    def portraits(self) -> tuple[Portrait, ...]:
        """Of each cluster that has windows, in the order given."""
        return tuple(self.portrait(cluster) for cluster in self.clusters if self._count(cluster))

    def portrait(self, cluster: int) -> Portrait:
        """One cluster's; BadInput where it has had no window yet."""
        if not self._count(cluster):
            raise BadInput(f"portraits: cluster {cluster} has had no window")
        place, count = self._places[cluster], self._count(cluster)
        nearest = self._nearest[place]
        return Portrait(
            cluster=cluster,
            windows=count,
            mean_db=_in_db((self._sums[place] / count).astype(np.float32)),
            level_db=read_only(_quantiles(self._levels[place])),
            origins=Origins(
                segments=read_only(self._by_segment[place].copy()),
                hours=read_only(self._by_hour[place].copy()),
                all_segments=read_only(self._by_segment.sum(axis=0)),
                all_hours=read_only(self._by_hour.sum(axis=0)),
            ),
            typical_db=None if nearest is None else _in_db(nearest.values),
            typical_start_ns=None if nearest is None else nearest.order[1],
            typical_segment=None if nearest is None else nearest.order[2],
        )

    def _count(self, cluster: int) -> int:
        place = self._places.get(cluster)
        return 0 if place is None else int(self._by_segment[place].sum())

    def _take_nearest(self, place: int, candidate: _Nearest) -> None:
        held = self._nearest[place]
        if held is None or candidate.order < held.order:
            self._nearest[place] = candidate


def _in_db(values: Float32) -> Float32:
    return read_only(values * np.float32(BELOW_FLOOR_DB + ABOVE_FLOOR_DB) - np.float32(BELOW_FLOOR_DB))


def _quantiles(counts: Int64) -> Float32:
    """The middle of the level that each quantile of a column falls into. Shape: [128, levels] -> [4, 128]."""
    below = counts.cumsum(axis=1)
    wanted = np.asarray(LEVEL_QUANTILES)[:, None, None] * below[:, -1:]
    place = (below[None] < wanted).sum(axis=2)
    return ((place + 0.5) * LEVEL_STEP_DB - BELOW_FLOOR_DB).astype(np.float32)
