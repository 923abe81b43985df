"""The receiving end: a thread that reads a socket into a bounded queue."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Literal

import zmq

from .endpoint import HIGH_WATER, address_of, open_socket
from .errors import BadInput
from .frame_queue import MOST_BYTES, FrameQueue, Received
from .limits import NAME_LIMIT, is_name
from .wire import WireError, decode

SubscriberPattern = Literal["sub", "pull"]

_LOOK_UP_MS = 100  # how often an idle thread looks whether it should stop
_CLOSE_SECONDS = 5.0


class Subscriber:
    """Hears the messages of an endpoint, decoded, in their order.

    `sub` is live: when the reader is slow the oldest frames go and it finds a `Gap("overflow")` in their
    place (see `FrameQueue`). `pull` is replay: when the reader is slow the thread waits, and with it, by
    way of ZeroMQ, the publisher; nothing is dropped.

    `topics` are `psd/` (all), `psd/NODE/` (all bands of a node) or `psd/NODE/BAND` (that band and no other
    whose name begins so); likewise `iq/`, but one subscriber hears one kind. At most `capacity` frames and
    `most_bytes` wait for the reader, and 256 messages of each peer in ZeroMQ's buffer before them.
    `on_error(reason, message)` is called in the receiving thread for each message that cannot be decoded;
    reasons are `wire.WIRE_REASONS`. `binds` makes this the end that listens.

    Raises `BadInput` for an endpoint, topic or capacity that cannot be.
    """

    def __init__(
        self,
        endpoint: str,
        *,
        pattern: SubscriberPattern = "sub",
        topics: Sequence[str] = ("psd/",),
        capacity: int = 1024,
        most_bytes: int = MOST_BYTES,
        on_error: Callable[[str, str], None],
        binds: bool = False,
    ) -> None:
        self._live = pattern == "sub"
        asked_for = _checked(topics)
        self._families = tuple(topic for topic in asked_for if topic.endswith(b"/"))
        self._bands = frozenset(asked_for) - set(self._families)
        self._on_error = on_error
        self._queue = FrameQueue(capacity, "drop_oldest" if self._live else "wait", most_bytes=most_bytes)
        self._closing = threading.Event()
        self._context = zmq.Context[zmq.Socket[bytes]]()
        try:
            # A puller's own buffer is part of what a slow reader is behind by: as small as the queue.
            high_water = HIGH_WATER if self._live else min(capacity, HIGH_WATER)
            kind = zmq.SUB if self._live else zmq.PULL
            self._socket = open_socket(self._context, kind, endpoint, binds=binds, high_water=high_water)
        except BadInput:
            self._context.term()
            raise
        self.endpoint = address_of(self._socket)
        if self._live:
            for topic in asked_for:
                self._socket.setsockopt(zmq.SUBSCRIBE, topic)
        self._thread = threading.Thread(target=self._run, name=f"subscriber {endpoint}", daemon=True)
        self._thread.start()

    @property
    def depth(self) -> int:
        """Frames received and not yet taken."""
        return self._queue.depth

    @property
    def fill(self) -> float:
        """How full the queue of these is, by frames or by bytes, whichever is more; 0 to 1."""
        return self._queue.fill

    def receive(self, max_items: int, timeout_seconds: float) -> list[Received]:
        """The next items, at most `max_items`; waits up to `timeout_seconds` for the first of them.

        Live, every band has its turn in each (see `FrameQueue`). Empty if none came in time. Raises
        `RuntimeError` if the receiving thread crashed, after the items it left. For one reading thread.
        """
        return self._queue.take(max_items, timeout_seconds)

    def close(self) -> None:
        """Stop receiving, within a second; what has not been taken is gone. Harmless a second time."""
        self._closing.set()
        self._queue.close()
        self._thread.join(_CLOSE_SECONDS)
        if self._thread.is_alive():
            raise RuntimeError(f"the receiving thread of {self.endpoint} is stuck in on_error")
        self._context.term()

    def __enter__(self) -> Subscriber:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _run(self) -> None:
        try:
            with self._socket:
                while not self._closing.is_set():
                    try:
                        parts = self._socket.recv_multipart(zmq.DONTWAIT)
                    except zmq.Again:
                        self._socket.poll(_LOOK_UP_MS, zmq.POLLIN)
                    else:
                        self._take_in(parts)
        # Whatever it is, the reader raises it.
        except BaseException as error:  # noqa: BLE001
            self._queue.fail(error)

    def _take_in(self, parts: list[bytes]) -> None:
        asked_for = parts[0].startswith(self._families) or parts[0] in self._bands
        # ZeroMQ matches prefixes: `psd/a/b` also brings `psd/a/bc`, which is no error of anybody's.
        if self._live and not asked_for:
            return
        try:
            item = decode(parts)
        except WireError as error:
            self._on_error(error.reason, str(error))
            return
        if asked_for:
            self._queue.put(item)


def _checked(topics: Sequence[str]) -> list[bytes]:
    kinds = {topic.split("/")[0] for topic in topics}
    for topic in topics:
        kind, *names = topic.split("/")
        is_all, is_of_node = names == [""], len(names) == 2 and names[0]
        if kind not in ("psd", "iq") or not (is_all or is_of_node):
            raise BadInput(f"topic {topic!r}: must be KIND/, KIND/NODE/ or KIND/NODE/BAND, KIND psd or iq")
        for name in names:
            if name and not is_name(name):
                raise BadInput(f"topic {topic!r}: {name!r} is no name; limit: {NAME_LIMIT}")
    if len(kinds) != 1:
        raise BadInput(f"topics {list(topics)}: one subscriber hears one kind, psd or iq")
    return [topic.encode() for topic in topics]
