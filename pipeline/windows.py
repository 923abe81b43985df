"""Rows become spectrogram windows: 128 rows by 128 bins, relative to the noise floor, in [0, 1]."""

from __future__ import annotations

import math

import numpy as np

from .frames import Float32, Gap, Int64, LevelledRow, PsdFrame, Window, read_only
from .state import State

WINDOW_ROWS = 128
WINDOW_BINS = 128
FEWEST_BINS = 32
BELOW_FLOOR_DB = 5.0
ABOVE_FLOOR_DB = 35.0


def segment_starts(bins: int) -> Int64:
    """First bin of each 128-bin segment of a band; int64 [segments].

    The rule: fewer than 32 bins give no segment; 32 to 127 one, which is stretched to 128 columns; from
    128 on ceil(bins / 128), evenly spread from the first bin to the last, so that every bin is seen and
    neighbours overlap where 128 does not divide the width.
    """
    if bins < FEWEST_BINS:
        return np.zeros(0, dtype=np.int64)
    count = math.ceil(bins / WINDOW_BINS)
    return np.rint(np.linspace(0, max(0, bins - WINDOW_BINS), count)).astype(np.int64)


def scale(power_db: Float32, noise_floor_db: float, out: Float32 | None = None) -> Float32:
    """Levels to [0, 1]: 5 dB below the floor is 0, 35 dB above it is 1, what lies beyond is clipped.

    Shape: any -> the same. Written into `out` where given.
    """
    span_db = BELOW_FLOOR_DB + ABOVE_FLOOR_DB
    out = np.multiply(power_db, np.float32(1 / span_db), out=out)
    out -= np.float32((noise_floor_db - BELOW_FLOOR_DB) / span_db)
    return np.clip(out, np.float32(0), np.float32(1), out=out)


class Windower:
    """Stage LevelledRow -> Window: the last 128 rows, every `stride_rows`, cut into segments.

    After a gap the first window comes with the 128th row. All segments of one moment come together, in
    order, and share one array. `stride_rows` is 16 live, 128 for training (no overlap).

    `stride_rows` may change at any time and holds from the next row on. The places at which windows are
    due are counted from the first since the gap, not from the last one cut: a stride of 32 after one of 16
    keeps every second place, and going back to 16 finds the old places again. It is a setting: no state
    holds it.
    """

    def __init__(self, stride_rows: int = 16) -> None:
        self.stride_rows = stride_rows
        self.reset()

    def reset(self) -> None:
        self._rows_held = 0
        self._due = False
        self._bins = 0
        self._ring = np.zeros((0, 0), dtype=np.float32)
        self._starts_ns = [0] * WINDOW_ROWS
        self._segments = np.zeros(0, dtype=np.int64)
        self._stretch: Float32 | None = None

    @property
    def rows_held(self) -> int:
        """Rows since the last gap."""
        return self._rows_held

    @property
    def due(self) -> bool:
        """Whether the last row pushed was one at which windows are cut, if the band is wide enough."""
        return self._due

    def state(self) -> State:
        """The rows held, at most 128: a copy, since their places are written again."""
        held = min(self._rows_held, WINDOW_ROWS)
        return {
            "bins": self._bins,
            "rows_held": self._rows_held,
            "due": self._due,
            "rows_db": read_only(self._ring[: held if self._segments.size else 0].copy()),
            "starts_ns": self._starts_ns[:held],
        }

    def restore(self, state: State) -> None:
        self.reset()
        self._take_geometry(state["bins"])
        self._rows_held = state["rows_held"]
        self._due = state["due"]
        rows_db, starts_ns = state["rows_db"], state["starts_ns"]
        for first in (0, WINDOW_ROWS):
            self._ring[first : first + len(rows_db)] = rows_db
        self._starts_ns[: len(starts_ns)] = starts_ns

    def gap(self, gap: Gap) -> list[Window]:  # noqa: ARG002 - whatever the reason, no window spans it
        self._rows_held = 0
        self._due = False
        return []

    def push(self, item: LevelledRow) -> list[Window]:
        frame = item.frame
        if frame.bins != self._bins:
            self.reset()
            self._take_geometry(frame.bins)
        place = self._rows_held % WINDOW_ROWS
        self._rows_held += 1
        past_first = self._rows_held - WINDOW_ROWS
        self._due = past_first >= 0 and past_first % self.stride_rows == 0
        if not self._segments.size:
            return []
        # Each row is written twice, half a ring apart: the last 128 rows are always one slice.
        self._ring[place] = frame.power_db
        self._ring[place + WINDOW_ROWS] = frame.power_db
        self._starts_ns[place] = frame.time_ns
        if not self._due:
            return []
        oldest = (place + 1) % WINDOW_ROWS
        return self._cut(frame, item.noise_floor_db, self._ring[oldest : oldest + WINDOW_ROWS], oldest)

    def _take_geometry(self, bins: int) -> None:
        self._bins = bins
        self._segments = segment_starts(bins)
        self._ring = np.zeros((2 * WINDOW_ROWS, bins), dtype=np.float32)
        if FEWEST_BINS <= bins < WINDOW_BINS:
            self._stretch = _stretching(bins)

    def _cut(self, frame: PsdFrame, floor_db: float, rows_db: Float32, oldest: int) -> list[Window]:
        bin_hz = frame.bin_hz
        if self._stretch is not None:
            rows_db = rows_db @ self._stretch
            bin_hz *= (self._bins - 1) / (WINDOW_BINS - 1)
        values = np.empty((self._segments.size, WINDOW_ROWS, WINDOW_BINS), dtype=np.float32)
        for segment, first in enumerate(self._segments):
            scale(rows_db[:, first : first + WINDOW_BINS], floor_db, out=values[segment])
        read_only(values)
        return [
            Window(
                node=frame.node,
                band=frame.band,
                segment=segment,
                start_ns=self._starts_ns[oldest],
                end_ns=frame.end_ns,
                center_hz=frame.first_hz + int(first) * frame.bin_hz + (WINDOW_BINS - 1) / 2 * bin_hz,
                bin_hz=bin_hz,
                values=values[segment],
            )
            for segment, first in enumerate(self._segments)
        ]


def _stretching(bins: int) -> Float32:
    """Matrix float32 [bins, 128] of linear interpolation from `bins` columns to 128, ends kept."""
    places = np.linspace(0, bins - 1, WINDOW_BINS)
    left = np.minimum(places.astype(np.intp), bins - 2)
    right_share = places - left
    matrix = np.zeros((bins, WINDOW_BINS), dtype=np.float32)
    matrix[left, np.arange(WINDOW_BINS)] = 1 - right_share
    matrix[left + 1, np.arange(WINDOW_BINS)] += right_share
    return matrix
