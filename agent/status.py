"""The board on which the agent's present state stands, for the live view, the console and the API."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

from .. import __version__
from ..models.drift import Drift
from ..models.scoring import Score
from ..models.standings import ForecasterChange
from ..pipeline.frames import Assignment, Forecast, Gap, LevelledRow, Verdict
from .band_board import BandBoard
from .band_status import AgentStatus
from .deviation import Deviation
from .outputs import Discarded, Fitted, Named, Output, Unfitted


class StatusBoard:
    """Sink of everything the route puts out; `snapshot` may be asked from any thread at any time.

    `bands` are the (node, band) expected: they stand on the board, silent, before their first row. Where
    the node is not known beforehand it is "", and the first node heard with that band takes the place.
    Others appear with what comes of them.
    """

    def __init__(
        self,
        bands: Iterable[tuple[str, str]] = (),
        *,
        version: str = __version__,
        monotonic_seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        self._version = version
        self._monotonic_seconds = monotonic_seconds
        self._started_seconds = monotonic_seconds()
        self._lock = threading.Lock()
        self._queue_depth: dict[str, int] = {}
        self._bands: dict[tuple[str, str], BandBoard] = {}
        for node, band in bands:
            self._band(node, band)
        self._events: dict[type, Callable[[BandBoard, Any], None]] = {
            LevelledRow: self._row,
            Gap: BandBoard.gap,
            Discarded: BandBoard.discarded,
            Assignment: BandBoard.assignment,
            Drift: BandBoard.drift,
            Forecast: BandBoard.forecast,
            Score: BandBoard.score,
            ForecasterChange: lambda _band, _change: None,
            Deviation: lambda _band, _deviation: None,
            Verdict: BandBoard.verdict,
            Fitted: BandBoard.fitted,
            Unfitted: lambda band, _: band.unfitted(),
            Named: BandBoard.named,
        }

    def take(self, item: Output) -> None:
        """Note one output of the route."""
        owner = item.frame if isinstance(item, LevelledRow) else item
        with self._lock:
            self._events[type(item)](self._band(owner.node, owner.band), item)

    def warming(self, node: str, band: str, windows: int, needed: int) -> None:
        """A band heard `windows` of the `needed` windows its first model is fitted on."""
        with self._lock:
            self._band(node, band).warming(windows, needed)

    def queue_depth(self, stage: str, depth: int) -> None:
        """So many items wait before a stage."""
        with self._lock:
            self._queue_depth[stage] = depth

    def snapshot(self) -> AgentStatus:
        """The present state; bands in the order they were first heard of."""
        with self._lock:
            now_seconds = self._monotonic_seconds()
            bands = tuple(band.snapshot(now_seconds) for band in self._bands.values())
            return AgentStatus(
                version=self._version,
                uptime_seconds=now_seconds - self._started_seconds,
                healthy=bool(bands) and all(band.flowing for band in bands),
                ready=bool(bands) and all(band.ready for band in bands),
                bands=bands,
                queue_depth=dict(self._queue_depth),
            )

    @property
    def rows(self) -> int:
        """Rows of all bands so far: what the watchdog calls progress."""
        with self._lock:
            return sum(band.rows for band in self._bands.values())

    @property
    def longest_row_seconds(self) -> float:
        """Duration of the longest rows among the bands; 0 before the first row."""
        with self._lock:
            return max((band.row_seconds for band in self._bands.values()), default=0.0)

    def _row(self, band: BandBoard, row: LevelledRow) -> None:
        band.row(row, self._monotonic_seconds())

    def _band(self, node: str, band: str) -> BandBoard:
        board = self._bands.get((node, band))
        if board is None:
            self._bands.pop(("", band), None)
            board = self._bands[node, band] = BandBoard(node, band, self._monotonic_seconds())
        return board
