"""A bounded reservoir of a band's recent windows, and the file in which they are handed over."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy_format
from numpy.typing import NDArray

from ..models.geometry import Geometry
from ..models.tensor_file import read_arrays, write_tensors
from ..pipeline.errors import BadInput
from ..pipeline.frames import Float32, Int64, Window
from ..pipeline.windows import WINDOW_BINS, WINDOW_ROWS

VALUES_FILE, FACTS_FILE = "windows.npy", "windows.safetensors"
NO_CLUSTER = -1
NEWEST_SHARE = 16
# Windows that overlap by seven eighths say eight times the same: one in eight goes on into the past.
KEPT_IN = 8
_COPIED_AT_ONCE = 32  # a megabyte: so long does a writer keep the loop from adding
_COLUMNS = ("segment", "cluster", "start_ns", "end_ns", "serial")
_SEGMENT, _CLUSTER, _START, _END, _SERIAL = range(len(_COLUMNS))


@dataclass(frozen=True, eq=False)
class RecentWindows:
    """Windows of a band, oldest first: `values` float16 [n, 128, 128] in [0, 1], and of each its segment, the
    cluster it was given (-1: none yet), and its time; int64 [n]. `row_seconds` is how long a row lasts."""

    values: NDArray[np.float16]
    segments: Int64
    clusters: Int64
    start_ns: Int64
    row_seconds: float


class Reservoir:
    """At most `most_windows` windows of one band, in memory that is taken once and never grows.

    The newest sixteenth are all there. What leaves them goes on into the rest as long as there is room; then
    one in eight does, in place of one drawn by `seed`, so that older windows thin out exponentially
    (Aggarwal, "On biased reservoir sampling in the presence of stream evolution", VLDB 2006): of 8 segments
    at 5 rows a second and a stride of 16 rows, 2,048 windows are 1.6 hours old in the mean. A window takes
    32 KiB. One thread adds, another writes.
    """

    def __init__(self, most_windows: int, *, seed: int = 0) -> None:
        self.most_windows = most_windows
        self._newest = max(1, most_windows // NEWEST_SHARE)
        self._values = np.zeros((most_windows, WINDOW_ROWS, WINDOW_BINS), np.float16)
        self._facts = np.zeros((most_windows, len(_COLUMNS)), np.int64)
        self._random = np.random.default_rng(seed)
        self._lock = threading.Lock()
        self._geometry: Geometry | None = None
        self._heard = self._past = self._clearings = 0

    @property
    def windows(self) -> int:
        """How many are held."""
        return min(self._heard, self._newest) + self._past

    @property
    def size_bytes(self) -> int:
        """The memory that windows take, however many there are."""
        return self._values.nbytes + self._facts.nbytes

    def measure(self, geometry: Geometry | None) -> None:
        """Windows are of such rows from now on; those of rows that mean something else are let go."""
        same = geometry is self._geometry or (
            geometry is not None and self._geometry is not None and self._geometry.same_measure(geometry)
        )
        self._geometry = geometry
        if not same:
            with self._lock:
                self._heard = self._past = 0
                self._clearings += 1

    def add(self, window: Window, cluster: int | None) -> None:
        """One more; about 20 microseconds."""
        with self._lock:
            place = self._heard % self._newest
            if self._heard >= self._newest:
                self._pass_on(place)
            self._values[place] = window.values
            self._facts[place] = (
                window.segment,
                NO_CLUSTER if cluster is None else cluster,
                window.start_ns,
                window.end_ns,
                self._heard,
            )
            self._heard += 1

    def write(self, folder: Path) -> int:
        """Write what is held into a folder; how many places. OSError as the system gives it.

        Windows may be added meanwhile: each is written whole. BadInput where they are let go meanwhile.
        """
        clearings = self._clearings
        written: list[NDArray[np.int64]] = []
        with (folder / VALUES_FILE).open("wb") as file:
            places = self._places()
            header = {
                "descr": "<f2",
                "fortran_order": False,
                "shape": (len(places), WINDOW_ROWS, WINDOW_BINS),
            }
            npy_format.write_array_header_1_0(file, header)
            for first in range(0, len(places), _COPIED_AT_ONCE):
                part = places[first : first + _COPIED_AT_ONCE]
                with self._lock:
                    values, facts = self._values[part], self._facts[part]
                    if self._clearings != clearings:
                        raise BadInput("the band's rows mean something else since")
                file.write(np.ascontiguousarray(values, "<f2").data)
                written.append(facts)
        table = np.concatenate(written) if written else np.zeros((0, len(_COLUMNS)), np.int64)
        write_tensors(folder / FACTS_FILE, {"facts": table})
        return len(table)

    def _pass_on(self, place: int) -> None:
        """The window at `place`, which another is about to take, goes to the past, or goes."""
        room = self.most_windows - self._newest
        if self._past < room:
            into = self._newest + self._past
            self._past += 1
        elif room and self._random.integers(KEPT_IN) == 0:
            into = self._newest + int(self._random.integers(room))
        else:
            return
        self._values[into] = self._values[place]
        self._facts[into] = self._facts[place]

    def _places(self) -> Int64:
        with self._lock:
            newest = np.arange(min(self._heard, self._newest))
            return np.concatenate((newest, self._newest + np.arange(self._past)))


def read_windows(folder: Path, most: int | None = None) -> RecentWindows:
    """What `Reservoir.write` wrote, of more than `most` windows so many, evenly over the order they came in;
    BadInput where it is not whole or there is none."""
    found: dict[str, Any] = read_arrays(folder / FACTS_FILE)
    facts = found.get("facts")
    try:
        values = np.load(folder / VALUES_FILE, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError) as error:
        raise BadInput(f"{folder / VALUES_FILE}: cannot be read: {error}") from None
    if facts is None or facts.shape != (len(values), len(_COLUMNS)) or not len(values):
        raise BadInput(f"{folder}: {len(values)} windows, needs at least 1 and the facts of each")
    # A window that went from the newest to the past between two copies stands there twice.
    _, order = np.unique(facts[:, _SERIAL], return_index=True)
    if most is not None and len(order) > most:
        order = order[np.arange(most) * len(order) // most]
    facts = facts[order]
    spans = (facts[:, _END] - facts[:, _START]).astype(np.float64)
    return RecentWindows(
        values=values[order],
        segments=facts[:, _SEGMENT],
        clusters=facts[:, _CLUSTER],
        start_ns=facts[:, _START],
        row_seconds=float(np.median(spans)) / WINDOW_ROWS / 1e9,
    )


def as_float32(values: NDArray[np.float16]) -> Float32:
    """Windows as the encoder takes them: rounding to float16 never leaves [0, 1]."""
    return values.astype(np.float32)
