"""The one loop: take what arrived, send it down its band's route, give what comes out to the sinks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from threading import Event
from time import time_ns

from ..pipeline.frames import NS_PER_S, Assignment, IqBlock, PsdFrame
from .core import Core
from .intake import Arrival, Intake
from .memory import Memory
from .outputs import Output
from .route import BandRoute
from .routes import Routes
from .steering import Steering

MOST_AT_ONCE = 64
TIMEOUT_SECONDS = 0.2


class Loop:
    """Runs until the intake has ended or `stop` is set; raises what a source died of.

    `live`: rows are of now, and how late they are is measured. `memory` keeps what happens over a restart,
    `steering` acts between rows, several times a second. `turns` counts the loop's.
    """

    def __init__(
        self,
        intake: Intake,
        routes: Routes,
        core: Core,
        stop: Event,
        *,
        live: bool,
        memory: Memory | None = None,
        steering: Steering | None = None,
        utc_ns: Callable[[], int] = time_ns,
    ) -> None:
        self._intake = intake
        self._routes = routes
        self._sinks = core.sinks
        self._telemetry = core.telemetry
        self._board = core.board
        self._stop = stop
        self._memory = memory
        self._steering = steering
        # Routes that were recovered: what holds of them is told with their first row.
        self._silent = {(route.node, route.band) for route in routes}
        self._utc_ns = utc_ns
        # What ended before the start is history that a source catches up with: its age says nothing of us.
        self._live_from_ns = utc_ns() if live else None
        self.turns = 0

    def run(self) -> None:
        while not self._stop.is_set() and not self._intake.ended:
            for item in self._intake.receive(MOST_AT_ONCE, TIMEOUT_SECONDS):
                self.take(item)
                if self._stop.is_set():
                    return
            self.turns += 1
            depth = self._intake.depth
            self._telemetry.queue_depth("intake", depth)
            self._board.queue_depth("intake", depth)
            if self._steering is not None:
                self._give(self._steering.turn())
            self._intake.check()

    def take(self, item: Arrival) -> None:
        """One item down its route; IQ has no route yet."""
        if isinstance(item, IqBlock):
            return
        route = self._routes.of(item.node, item.band)
        if route is None:
            return
        place = route.continuity.place
        pieces = route.hear(item)
        outputs = [output for piece in pieces for output in route.take(piece)]
        known = self._standing_of(route, outputs) if isinstance(item, PsdFrame) else []
        if self._steering is not None:
            outputs = self._steering.give(item.node, item.band, outputs)
            known = self._steering.give(item.node, item.band, known)
        if self._memory is not None:
            self._memory.note(route, pieces, outputs, moved=route.continuity.place != place)
        self._give([*outputs, *known])
        if isinstance(item, PsdFrame):
            self._telemetry.frames_received(item.node, item.band, 1)
            self._after_windows(item, outputs)
            if not route.labels.warm:
                self._board.warming(item.node, item.band, *route.labels.warming)

    def _standing_of(self, route: BandRoute, outputs: Sequence[Output]) -> list[Output]:
        """What held of a recovered band before its first row, less what that row has brought."""
        if (route.node, route.band) not in self._silent:
            return []
        self._silent.remove((route.node, route.band))
        return [each for each in route.standing() if each not in outputs]

    def _give(self, outputs: Sequence[Output]) -> None:
        for output in outputs:
            for sink in self._sinks:
                sink.take(output)

    def _after_windows(self, frame: PsdFrame, outputs: list[Output]) -> None:
        if not any(isinstance(output, Assignment) for output in outputs):
            return
        if self._live_from_ns is not None and frame.end_ns >= self._live_from_ns:
            late_ns = max(0, self._utc_ns() - frame.end_ns)
            self._telemetry.latency(frame.node, frame.band, late_ns / NS_PER_S)
