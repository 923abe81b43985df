"""What surrounds every run of the agent: log, metrics, status, server, live view, watchdog."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from types import TracebackType

from prometheus_client import CollectorRegistry

from .. import __version__
from ..config.schema import Settings
from .live_view import LiveView
from .logs import LevelFilter, open_log
from .outputs import Sink
from .server import Server
from .status import StatusBoard
from .telemetry import Telemetry
from .watchdog import Notifier, Watchdog, watchdog_seconds


class Core:
    """Opened on entry, closed in reverse order on exit; `sinks` are what the loop feeds.

    `bands` are the (node, band) that will be heard: they count as missing until they are. A node that is
    not known beforehand is "".
    """

    def __init__(
        self, settings: Settings, *, serve: bool, show: bool, bands: Sequence[tuple[str, str]] = ()
    ) -> None:
        self.settings = settings
        self.registry = CollectorRegistry()
        self.log_level = LevelFilter(settings.logging.level)
        self.log = open_log(self.log_level, settings.logging.format)
        self.telemetry = Telemetry(self.registry, self.log)
        self.board = StatusBoard(bands)
        self.notifier = Notifier(os.environ.get("NOTIFY_SOCKET"))
        self.sinks: list[Sink] = [self.telemetry, self.board]
        for node, band in bands:
            if node:
                self.telemetry.expect(node, band)
        self._serve = serve and settings.server.enabled
        self._show = show
        self.explanations: Callable[[], list[dict[str, object]]] = list
        """The newest explanation of each band; the server answers with it."""
        self.forecast_maps: Callable[[], list[dict[str, object]]] = list
        """The newest forecast map of each band; the server answers with it."""
        self._open = ExitStack()

    def __enter__(self) -> Core:
        self.telemetry.started(__version__)
        self._open.callback(self.notifier.stopping)
        url = None
        if self._serve:
            server = Server(self.settings.server.host, self.settings.server.port, self.registry, self.board)
            server.explanations = lambda: self.explanations()
            server.forecast_maps = lambda: self.forecast_maps()
            server.start()
            self._open.callback(server.stop)
            url = server.url
            self.log.info("serving", url=url)
        if self._show:
            view = LiveView(self.board, url)
            view.start()
            self._open.callback(view.stop)
        return self

    def rows(self) -> int:
        """Rows of all bands so far."""
        return self.board.rows

    def row_seconds(self) -> float:
        """Duration of the longest rows; 0 before the first."""
        return self.board.longest_row_seconds

    def ready(self, rows: Callable[[], int], row_seconds: Callable[[], float]) -> None:
        """The start is over; from now on the watchdog beats while the count of rows moves (see Watchdog).

        Before the first row it beats, too: nobody knows yet how long a row lasts, and a restart would not
        make a publisher elsewhere begin.
        """
        self.notifier.ready()
        period_seconds = watchdog_seconds(os.environ)
        if period_seconds is not None:

            def row_seconds_if_known() -> float:
                return row_seconds() if rows() else math.inf

            watchdog = Watchdog(self.notifier, period_seconds, rows, row_seconds_if_known)
            watchdog.start()
            self._open.callback(watchdog.stop)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()
        self.telemetry.stopped("asked to, or nothing more to come" if kind is None else f"{kind.__name__}")
