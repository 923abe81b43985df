"""The sending end: frames out, and a heartbeat a second that makes every loss visible."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Literal

import zmq

from .endpoint import HIGH_WATER, address_of, open_socket
from .errors import BadInput
from .frames import Gap, IqBlock, PsdFrame
from .unread import UnreadConnections
from .wire import Carries, Heartbeat, encode

PublisherPattern = Literal["pub", "push"]

_REPLAY_HIGH_WATER = 1000
_LOOK_UP_MS = 50  # how often a blocked send looks whether it should stop
_HURRIED_LINGER_SECONDS = 1.0
_UNREAD_LOOK_SECONDS = 0.01

_Stream = tuple[Carries, str, str]


class Publisher:
    """Sends the frames of any number of bands of any number of nodes.

    `pub` is live: it never waits, and what a subscriber is too slow for is dropped, which `seq` shows.
    `push` is replay: `send` waits until the one puller has room; nothing is dropped. Each
    `heartbeat_seconds` it says the stream id and last seq of every stream it has sent. `binds` listens,
    else it connects. At most `high_water` messages wait in it for a peer; 256 live and 1000 in a replay
    where nothing is said. `stop` ends every wait when it is set, by a signal handler for one.

    Every method may be called from any thread. Raises `BadInput` for an endpoint or number that cannot be.
    """

    def __init__(
        self,
        endpoint: str,
        *,
        pattern: PublisherPattern = "pub",
        heartbeat_seconds: float = 1.0,
        binds: bool = True,
        high_water: int | None = None,
        linger_seconds: float = 30.0,
        stop: threading.Event | None = None,
    ) -> None:
        if not heartbeat_seconds > 0:
            raise BadInput(f"heartbeat every {heartbeat_seconds} s: must be more than 0")
        if high_water is None:
            high_water = HIGH_WATER if pattern == "pub" else _REPLAY_HIGH_WATER
        if high_water < 1:
            raise BadInput(f"high water of {high_water} messages: must be at least 1")
        self._heartbeat_seconds = heartbeat_seconds
        self._linger_seconds = linger_seconds
        self._stop = threading.Event() if stop is None else stop
        self._closing = threading.Event()
        self._ended = False
        self._announced: dict[_Stream, tuple[int, int]] = {}
        self._context = zmq.Context[zmq.Socket[bytes]]()
        try:
            kind = zmq.PUB if pattern == "pub" else zmq.PUSH
            self._socket = open_socket(self._context, kind, endpoint, binds=binds, high_water=high_water)
        except BadInput:
            self._context.term()
            raise
        self.endpoint = address_of(self._socket)
        # A replay loses nothing, not even what waits at its end.
        keeps_unread = pattern == "push" and self.endpoint.startswith("ipc://")
        self._unread = UnreadConnections(self._socket) if keeps_unread else None
        # ZeroMQ's sockets are not thread-safe: whoever touches this one holds the lock.
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._beat, name=f"heartbeat {endpoint}", daemon=True)
        self._thread.start()

    def send(self, item: PsdFrame | IqBlock | Gap) -> bool:
        """Send a frame, or a gap that its source knows of; False if `close` or `stop` came before there was
        room for it.

        `WireError` for a frame that no receiver would believe. A frame of a new stream ends the one its
        band had before.
        """
        stream: _Stream = ("iq" if isinstance(item, IqBlock) else "psd", item.node, item.band)
        parts = encode(item)
        if isinstance(item, Gap):
            # Before its first row there is nothing of a stream to be missing.
            return self._when_room(lambda: stream not in self._announced or self._try(parts))
        return self._when_room(partial(self._try_frame, stream, (item.stream, item.seq), parts))

    def end(self) -> bool:
        """The source has run out: say so of every stream; `close` then waits for slow readers.

        False if there was no room to say it within the linger time.
        """
        deadline = time.monotonic() + self._linger_seconds
        with self._lock:
            streams = list(self._announced)
        said = [self._when_room(partial(self._try_end, stream), deadline) for stream in streams]
        with self._lock:
            self._ended = all(said) and not self._announced
            return self._ended

    def close(self) -> None:
        """Stop; harmless a second time.

        After `end`, messages still under way have `linger_seconds` to leave; otherwise, or once `stop` is
        set, one second, and final heartbeats go only if there is room.
        """
        self._closing.set()
        with self._lock:
            if self._socket.closed:
                return
            for stream, (stream_id, last_seq) in self._announced.items():
                self._try(encode(_heartbeat(stream, stream_id, last_seq, ended=True)))
            linger_seconds = self._linger_seconds if self._ended else _HURRIED_LINGER_SECONDS
            if self._unread and self._ended:
                self._unread.hold()
            elif self._unread:
                self._unread.stop()
            self._socket.close(linger=round(linger_seconds * 1000))
        self._thread.join()
        self._wait_for_readers(time.monotonic() + linger_seconds)

    def __enter__(self) -> Publisher:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _wait_for_readers(self, deadline: float) -> None:
        # The context ends when all has left or the linger is over. It cannot be hurried, so it is left to
        # itself when `stop` asks for that.
        flush = threading.Thread(target=self._context.term, name="flush", daemon=True)
        flush.start()
        flush.join(_HURRIED_LINGER_SECONDS)
        while flush.is_alive() and not self._stop.is_set():
            flush.join(_LOOK_UP_MS / 1000)
        if self._unread:
            while self._unread.is_unread() and not self._stop.is_set() and time.monotonic() < deadline:
                time.sleep(_UNREAD_LOOK_SECONDS)
            self._unread.release()

    def _when_room(self, attempt: Callable[[], bool], deadline: float | None = None) -> bool:
        """Call `attempt`, which holds the lock, again and again until there was room for what it sends."""
        while True:
            with self._lock:
                if self._closing.is_set():
                    return False
                if not self._thread.is_alive():
                    raise RuntimeError(f"the heartbeat thread of {self.endpoint} crashed")
                if attempt():
                    return True
                if self._stop.is_set() or (deadline is not None and time.monotonic() > deadline):
                    return False
                self._socket.poll(_LOOK_UP_MS, zmq.POLLOUT)

    def _try_frame(
        self, stream: _Stream, announces: tuple[int, int], parts: list[bytes | memoryview]
    ) -> bool:
        """Send a frame and keep what heartbeats are to say of its stream since."""
        before = self._announced.get(stream)
        if before is not None and before[0] != announces[0] and not self._try_end(stream):
            return False
        if not self._try(parts):
            return False
        self._announced[stream] = announces
        self._ended = False
        return True

    def _try_end(self, stream: _Stream) -> bool:
        known = self._announced.get(stream)
        if known is not None and not self._try(encode(_heartbeat(stream, *known, ended=True))):
            return False
        self._announced.pop(stream, None)
        return True

    def _try(self, parts: list[bytes | memoryview]) -> bool:
        try:
            self._socket.send_multipart(parts, zmq.DONTWAIT)
        except zmq.Again:
            return False
        return True

    def _beat(self) -> None:
        while not self._closing.wait(self._heartbeat_seconds):
            with self._lock:
                if self._closing.is_set():
                    return
                if self._unread:
                    self._unread.watch()
                for stream, known in self._announced.items():
                    # Where there is no room, rows are waiting that say the same.
                    self._try(encode(_heartbeat(stream, *known, ended=False)))


def _heartbeat(stream: _Stream, stream_id: int, last_seq: int, *, ended: bool) -> Heartbeat:
    carries, node, band = stream
    return Heartbeat(node, band, stream_id, last_seq, ended, carries)
