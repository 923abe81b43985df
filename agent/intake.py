"""Where the loop takes its frames from: an iterator in this process, or a socket."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Protocol

from ..pipeline.frames import Gap, IqBlock, PsdFrame
from ..pipeline.subscriber import Subscriber
from ..pipeline.wire import Heartbeat

Arrival = PsdFrame | IqBlock | Heartbeat | Gap

# A band that loses rows all the time is told of three items before each row: fewer would be no progress.
LEAST_SHARE = 8


class Intake(Protocol):
    """What arrives, a few at a time; `ended` once nothing more can come."""

    @property
    def ended(self) -> bool: ...

    @property
    def depth(self) -> int: ...

    @property
    def fill(self) -> float:
        """How full the fullest queue before the loop is, 0 to 1."""
        ...

    def receive(self, most: int, timeout_seconds: float) -> list[Arrival]:
        """At most `most` items, none if nothing came within `timeout_seconds`."""
        ...

    def check(self) -> None:
        """Raise what the source died of."""
        ...


class DirectIntake:
    """Frames straight from a source in this process: back-pressure by nature, nothing is ever lost.

    One at a time, as a paced source gives them: waiting for more would hold back the first.
    """

    def __init__(self, source: Iterator[PsdFrame | Gap]) -> None:
        self._source = source
        self._ended = False

    @property
    def ended(self) -> bool:
        return self._ended

    @property
    def depth(self) -> int:
        return 0

    @property
    def fill(self) -> float:
        return 0.0

    def receive(self, most: int, timeout_seconds: float) -> list[Arrival]:  # noqa: ARG002 - the source paces
        for item in self._source:
            return [item]
        self._ended = True
        return []

    def check(self) -> None:
        """A source in this thread raises where it is read."""


class SocketIntake:
    """Frames from ZeroMQ. `check` tells whether the threads that publish in this process are alive.

    `last_streams` says, once whoever publishes has run out, which stream of each band is the last: the
    intake has ended when the end of each of them has been received. A band's earlier streams end, too.
    """

    def __init__(
        self,
        subscribers: Sequence[Subscriber],
        *,
        check: Callable[[], None],
        last_streams: Callable[[], Mapping[tuple[str, str], int] | None] = lambda: None,
    ) -> None:
        self._subscribers = subscribers
        self._check = check
        self._last_streams = last_streams
        self._next = 0
        self._ended_streams: dict[tuple[str, str], int] = {}

    @property
    def ended(self) -> bool:
        last = self._last_streams()
        return last is not None and all(self._ended_streams.get(band) == last[band] for band in last)

    @property
    def depth(self) -> int:
        return sum(subscriber.depth for subscriber in self._subscribers)

    @property
    def fill(self) -> float:
        return max(subscriber.fill for subscriber in self._subscribers)

    def receive(self, most: int, timeout_seconds: float) -> list[Arrival]:
        """A fair share of each subscriber's items in turn, so that a busy one starves no other."""
        count = len(self._subscribers)
        share = min(most, max(LEAST_SHARE, most // count))
        items: list[Arrival] = []
        for _ in range(count):
            if len(items) + share > most:
                break
            items += self._subscribers[self._next].receive(share, 0.0)
            self._next = (self._next + 1) % count
        for subscriber in self._subscribers:
            items = items or list(subscriber.receive(share, timeout_seconds / count))
        for item in items:
            if isinstance(item, Heartbeat) and item.ended:
                self._ended_streams[item.node, item.band] = item.stream
        return items

    def check(self) -> None:
        self._check()
