"""What the agent keeps over a restart: everything it heard, and what it made of it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from time import time_ns
from typing import TYPE_CHECKING

from ..config.schema import Settings
from ..models.bundle import Bundle
from ..pipeline.frames import Gap, PsdFrame
from ..pipeline.journal import Note
from .directory_lock import DirectoryLock
from .disk import Disk
from .labels import Labels
from .long_start import Stopped
from .notes import unit_of
from .outputs import Output
from .past import Past
from .recorder import Recorder
from .recovery import Recovered, labels_of, recover
from .route import BandRoute
from .routes import Routes
from .snapshot_schedule import SnapshotSchedule
from .state import StateFolder
from .telemetry import Telemetry

if TYPE_CHECKING:
    from ..pipeline.store import Store


class Memory:
    """The store and the states of one agent, from start to stop.

    Raises Failure where another agent has the directory. A disk that cannot be written is told of, and
    the agent goes on without; so it does, silently, where the settings want no store.
    """

    def __init__(self, settings: Settings, bundle: str, telemetry: Telemetry) -> None:
        self._settings = settings
        self._enabled = settings.store.enabled
        self._telemetry = telemetry
        self.directory = directory = settings.store.directory.expanduser()
        self._lock = DirectoryLock(directory)
        self._states = self._states_of(bundle)
        self._past = Past(directory, telemetry.bad_input)
        self._schedule = SnapshotSchedule()
        self._disk = Disk(
            self._open_store,
            directory,
            telemetry,
            keep_free_bytes=settings.store.keep_free_bytes,
        )
        self._recorder = Recorder(self._disk, self._schedule, flush_seconds=settings.store.flush_seconds)
        self._routes: Routes | None = None
        self._to_keep: deque[BandRoute] = deque()

    def __enter__(self) -> Memory:
        if self._enabled:
            self._disk.open()
        return self

    def recover(self, routes: Routes, going_on: Callable[[], None] = lambda: None) -> Recovered:
        """Bring new routes to where they were, and begin to record.

        `going_on` as in `recover`; where it raises Stopped nothing is recorded, and no state kept.
        """
        found = Recovered()
        if not self._enabled:
            return found
        try:
            found = recover(routes, self._states, self._past, self._telemetry.bad_input, going_on)
        except Stopped:
            return found
        self._disk.known_bands(found.kept)
        if self._lock.held:
            self._states.tidy()
        if found.rows or found.kept:
            self._telemetry.recovered(len(list(routes)), found.rows, found.seconds)
        self._routes = routes
        self._recorder.start(max(found.kept.values(), default=-1) + 1)
        return found

    def note(
        self, route: BandRoute, pieces: Sequence[PsdFrame | Gap], outputs: Sequence[Output], *, moved: bool
    ) -> None:
        """Record what was heard and what came of it; `moved` as in `unit_of`."""
        if self._routes is not None and (pieces or moved):
            self._recorder.record(unit_of(route, pieces, outputs, moved=moved, time_ns=time_ns()))

    def tell(self, kind: str, node: str = "", band: str = "", **facts: object) -> None:
        """Record an event of the agent's own."""
        if self._routes is not None:
            self._recorder.record([Note(node, band, time_ns(), kind, facts)])

    def turn(self) -> None:
        """Take the state of one band, if one is due."""
        if self._routes is None:
            return
        if not self._recorder.keeps:
            if not self._to_keep and self._schedule.due:
                self._schedule.begin()
                self._to_keep.extend(self._routes)
            if self._to_keep:
                self._keep(self._to_keep.popleft())
        self._telemetry.queue_depth("store", self._recorder.depth)

    def flush(self) -> None:
        """Wait until what was noted so far is written."""
        self._recorder.flush()

    def want_states(self) -> None:
        """Something changed that the journal does not tell."""
        self._schedule.want()

    def keep_all(self) -> None:
        """Take the state of every band now."""
        for route in self._routes or ():
            self._keep(route)

    def use_settings(self, settings: Settings) -> None:
        """Limits of the store that may change while it is written."""
        self._settings = settings
        self._recorder.flush_seconds = settings.store.flush_seconds
        self._disk.limit(settings.store)

    def use_bundle(self, bundle: str) -> None:
        """States taken from now on are this bundle's."""
        self._states = self._states_of(bundle)

    def labels_for(
        self, bundle: Bundle, node: str, band: str, going_on: Callable[[], None] = lambda: None
    ) -> Labels | None:
        """A band's labels by another bundle: those that were kept, else fitted on its stored rows.

        From any thread; None where nothing is recorded. `going_on` is called now and then, and may raise.
        """
        routes = self._routes
        if routes is None:
            return None
        states, told = self._states_of(bundle.name), self._telemetry.bad_input
        return labels_of(routes, states, self._past, node, band, bundle, going_on, told)

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        # After an error nobody knows whether the states are sound; the journal is.
        if kind is None and self._routes is not None:
            self.keep_all()
        if self._routes is None:
            self._disk.close()
        elif not self._recorder.close():
            # Whoever touches the disk now waits, too: it is left, and the lock with it, to the process's end.
            self._telemetry.recording_stopped("the disk did not answer at the end")
            return
        self._lock.release()

    def _keep(self, route: BandRoute) -> None:
        assert self._routes is not None
        self._recorder.snapshot(
            self._states, route.node, route.band, self._routes.settings_of(route.band), route.state()
        )

    def _states_of(self, bundle: str) -> StateFolder:
        return StateFolder(self.directory, bundle, self._telemetry.bad_input)

    def _open_store(self) -> Store:
        from ..pipeline.store import Store

        self._lock.take()
        store = self._settings.store
        return Store(
            self.directory,
            most_bytes=store.most_bytes,
            most_days=store.most_days,
            keep_free_bytes=store.keep_free_bytes,
            told=self._telemetry.bad_input,
        )
