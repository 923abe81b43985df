"""Threads that publish what the node's own sources hear."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping
from threading import Event, Thread
from time import time_ns

from ..config.schema import Band, RadioSource, Settings, SimulatorSource, StreamSource
from ..pipeline.frames import NS_PER_S, Gap, PsdFrame
from ..pipeline.named_scenes import scene_named
from ..pipeline.publisher import Publisher
from ..pipeline.simulator import Simulator
from .radio import radio_of
from .telemetry import Telemetry

JOIN_SECONDS = 2.0
WATCH_SECONDS = 0.5
# A row carries its own gain, axis and lost samples: the receiver makes these gaps of them.
TOLD_BY_THE_NEXT_ROW = ("overflow", "gain", "retuned")


class Feed:
    """A thread that sends a source's items to a publisher until the source ends or `stop` is set.

    With `end` it announces the end of the source to whoever listens. `halt` wakes a source that may be
    waiting for its next item. What the source raises is kept for `check`, which the loop calls: a dead
    source is never silent.
    """

    def __init__(
        self,
        name: str,
        source: Iterable[PsdFrame | Gap],
        publisher: Publisher,
        stop: Event,
        *,
        end: bool = False,
        halt: Callable[[], None] = lambda: None,
    ) -> None:
        self._source = source
        self._publisher = publisher
        self._stop = stop
        self._end = end
        self._halt = halt
        self._failure: BaseException | None = None
        self._streams: dict[tuple[str, str], int] = {}
        self._ended = False
        self.rows = 0
        self.row_seconds = 0.0
        self._thread = Thread(target=self._run, name=f"feed-{name}", daemon=True)

    def start(self) -> Feed:
        self._thread.start()
        return self

    def last_streams(self) -> dict[tuple[str, str], int] | None:
        """The last stream of each band, once the source has run out and `end` has said so; None before."""
        return self._streams if self._ended else None

    def check(self) -> None:
        if self._failure is not None:
            raise self._failure

    def join(self, timeout_seconds: float) -> None:
        """Wait for the end that `stop` or the source has brought about."""
        self._halt()
        self._thread.join(timeout_seconds)

    def _run(self) -> None:
        try:
            for item in self._source:
                if self._stop.is_set():
                    return
                if isinstance(item, PsdFrame):
                    self.rows += 1
                    self._streams[item.node, item.band] = item.stream
                    self.row_seconds = item.duration_ns / NS_PER_S
                elif item.reason in TOLD_BY_THE_NEXT_ROW:
                    continue
                self._publisher.send(item)
            if self._end:
                self._publisher.end()
                self._ended = True
        except BaseException as failure:  # noqa: BLE001 - raised again by check, in the thread that can act
            if not self._stop.is_set():
                self._failure = failure


class Feeds:
    """The feeds of every band that has a source on this node; none for bands that come over the network.

    `after_ns`: up to when a band's rows are known already, by (node, band): what can be made for any time
    begins there.
    """

    def __init__(
        self,
        settings: Settings,
        publisher: Publisher,
        telemetry: Telemetry,
        stop: Event,
        *,
        after_ns: Mapping[tuple[str, str], int] | None = None,
    ) -> None:
        self._stop = stop
        self._feeds = [
            feed
            for band in settings.bands
            if (
                feed := _feed_of(
                    settings.node.name,
                    band,
                    publisher,
                    telemetry,
                    stop,
                    after_ns=(after_ns or {}).get((settings.node.name, band.name), 0),
                )
            )
            is not None
        ]

    def __enter__(self) -> Feeds:
        for feed in self._feeds:
            feed.start()
        return self

    def __exit__(self, *failure: object) -> None:
        self._stop.set()
        for feed in self._feeds:
            feed.join(JOIN_SECONDS)

    def check(self) -> None:
        for feed in self._feeds:
            feed.check()

    def watch(self) -> None:
        """Until `stop` is set: raise what a feed dies of."""
        while not self._stop.wait(WATCH_SECONDS):
            self.check()

    def rows(self) -> int:
        """Rows sent so far."""
        return sum(feed.rows for feed in self._feeds)

    def row_seconds(self) -> float:
        """Duration of the longest rows; 0 before the first."""
        return max((feed.row_seconds for feed in self._feeds), default=0.0)


def bands_to_hear(settings: Settings) -> list[tuple[str, str]]:
    """(node, band) of every band of the settings; the node is "" where only the stream itself will say it."""
    streams = [
        (band.source.node or "", band.name)
        for band in settings.bands
        if isinstance(band.source, StreamSource)
    ]
    return own_bands(settings) + streams


def own_bands(settings: Settings) -> list[tuple[str, str]]:
    """(node, band) of every band that has a source on this node."""
    return [
        (settings.node.name, band.name)
        for band in settings.bands
        if isinstance(band.source, SimulatorSource | RadioSource)
    ]


def simulated_live(
    node: str,
    band: str,
    source: SimulatorSource,
    stop: Event,
    utc_ns: Callable[[], int] = time_ns,
    *,
    after_ns: int = 0,
) -> Iterator[PsdFrame]:
    """The simulated band as it would be heard from `backfill_seconds` ago on, caught up with and then live.

    A row leaves when the clock has passed its end and the backfill's speed has got there. What was heard up
    to `after_ns`, before a restart, is not made again.
    """
    begun_ns = utc_ns()
    start_ns = begun_ns - round(source.backfill_seconds * NS_PER_S)
    if start_ns < after_ns <= begun_ns:
        start_ns = after_ns
    stream = secrets.randbits(62)
    simulator = Simulator(
        source.seed,
        node=node,
        band=band,
        start_ns=start_ns,
        scene=scene_named(source.scene, source.seed),
        stream=stream,
        truth_kept=0,
    )
    for frame in simulator.frames():
        due_ns = max(frame.end_ns, begun_ns + round((frame.end_ns - start_ns) / source.backfill_speed))
        wait_seconds = (due_ns - utc_ns()) / NS_PER_S
        if wait_seconds > 0 and stop.wait(wait_seconds):
            return
        yield frame


def _feed_of(
    node: str, band: Band, publisher: Publisher, telemetry: Telemetry, stop: Event, *, after_ns: int
) -> Feed | None:
    match band.source:
        case SimulatorSource():
            rows = simulated_live(node, band.name, band.source, stop, after_ns=after_ns)
            return Feed(band.name, rows, publisher, stop)
        case RadioSource():
            radio = radio_of(node, band, band.source, telemetry.bad_input)
            return Feed(band.name, radio, publisher, stop, halt=radio.stop)
        case _:
            return None
