"""The bounded queue between a receiving thread and its reader: what does not fit is counted, in its place."""

from __future__ import annotations

import threading
from collections import OrderedDict
from operator import itemgetter
from typing import Literal

from .errors import BadInput
from .queue_lane import Lane, weight_bytes
from .wire import Heartbeat, Message

WhenFull = Literal["drop_oldest", "wait"]
Received = Message

MOST_BYTES = 64 * 2**20

# Where nothing is lost all bands share one lane, so that a replay is read in one order however it is read.
_ALL_BANDS = ("", "")


class FrameQueue:
    """At most `capacity` frames of one kind (rows, or IQ blocks) and `most_bytes`, any number of bands, one
    reader.

    One frame always fits, however large. When the queue is full, `put` either waits for room (`wait`), or
    takes away the oldest frame of the band that holds most, of frames or of bytes, whichever there are too
    many of; of bands that hold as much, the one whose oldest frame came first (`drop_oldest`). So of n
    bands that send, one that has no more than capacity / n frames and most_bytes / n waiting loses nothing,
    however much the others send. The reader finds a `Gap("overflow")` of that band where the frames would
    have been, `lost_rows` exact (see `Overflow`).

    `take` gives the bands a turn each, a frame a turn, until it has enough; what it took comes in the order
    of arrival. So a band that sends little waits for the next `take`, not for all that others sent before,
    and the order within a band is always that of arrival. With `wait` the order between the bands is, too:
    a replay read in any pieces is the same.

    Heartbeats take no room and are never lost. One that follows another of its stream, with nothing of
    the band between them, replaces it, so there are never more of them than frames and streams. A gap that
    a source told of takes room as a frame does; taken away, it is told all the same.
    """

    def __init__(self, capacity: int, when_full: WhenFull, *, most_bytes: int = MOST_BYTES) -> None:
        if capacity < 1:
            raise BadInput(f"queue of {capacity} frames: must hold at least 1")
        if most_bytes < 1:
            raise BadInput(f"queue of {most_bytes} bytes: must hold at least 1")
        self._capacity = capacity
        self._most_bytes = most_bytes
        self._when_full: WhenFull = when_full
        self._changed = threading.Condition()
        self._lanes: OrderedDict[tuple[str, str], Lane] = OrderedDict()  # the next turn is the first's
        self._arrivals = 0
        self._frames = 0
        self._bytes = 0
        self._closed = False
        self._failure: BaseException | None = None

    @property
    def depth(self) -> int:
        """Frames waiting to be taken."""
        return self._frames

    @property
    def bytes(self) -> int:
        """What these weigh."""
        return self._bytes

    @property
    def fill(self) -> float:
        """How full it is, by frames or by bytes, whichever is more; 0 to 1."""
        return min(1.0, max(self._frames / self._capacity, self._bytes / self._most_bytes))

    def put(self, item: Message) -> bool:
        """Add an item; False if the queue has been closed, at once or while waiting for room."""
        added_bytes = 0 if isinstance(item, Heartbeat) else weight_bytes(item)
        with self._changed:
            if self._when_full == "wait" and added_bytes:
                self._changed.wait_for(lambda: not self._is_over(1, added_bytes) or self._closed)
            if self._closed:
                return False
            band = (item.node, item.band) if self._when_full == "drop_oldest" else _ALL_BANDS
            lane = self._lanes.get(band)
            if lane is None:
                lane = self._lanes[band] = Lane()
            self._arrivals += 1
            lane.put(self._arrivals, item)
            if added_bytes:
                self._frames += 1
                self._bytes += added_bytes
                while self._is_over():
                    self._drop_one()
            self._changed.notify_all()
            return True

    def take(self, max_items: int, timeout_seconds: float) -> list[Received]:
        """At most `max_items`, of each band the oldest; waits up to `timeout_seconds` for the first.

        An empty list if none came or the queue was closed. Raises `RuntimeError` once the items left by a
        receiving thread that crashed have been taken.
        """
        with self._changed:
            if not self._lanes:
                self._changed.wait_for(
                    lambda: self._lanes or self._closed or self._failure is not None, timeout_seconds
                )
            taken: list[tuple[int, Received]] = []
            while self._lanes and len(taken) < max_items:
                self._take_turn(taken, max_items)
            if self._failure is not None and not taken:
                raise RuntimeError(f"the receiving thread crashed: {self._failure!r}") from self._failure
            self._changed.notify_all()
        taken.sort(key=itemgetter(0))
        return [item for _, item in taken]

    def close(self) -> None:
        """Forget what waits; whoever waits returns."""
        with self._changed:
            self._closed = True
            self._lanes.clear()
            self._frames = self._bytes = 0
            self._changed.notify_all()

    def fail(self, error: BaseException) -> None:
        """Nothing more will come, because of an error that the reader is to see."""
        with self._changed:
            self._failure = error
            self._changed.notify_all()

    def _is_over(self, more_frames: int = 0, more_bytes: int = 0) -> bool:
        frames, held_bytes = self._frames + more_frames, self._bytes + more_bytes
        return frames > 1 and (frames > self._capacity or held_bytes > self._most_bytes)

    def _drop_one(self) -> None:
        by_frames = self._frames > self._capacity
        lane, most = next(iter(self._lanes.values())), 0
        for each in self._lanes.values():
            held = each.frames if by_frames else each.bytes
            if held > most or (0 < held == most and each.oldest_arrival() < lane.oldest_arrival()):
                lane, most = each, held
        frames, held_bytes = lane.frames, lane.bytes
        lane.drop_oldest()
        self._frames += lane.frames - frames
        self._bytes += lane.bytes - held_bytes

    def _take_turn(self, taken: list[tuple[int, Received]], most: int) -> None:
        band, lane = next(iter(self._lanes.items()))
        frames, held_bytes = lane.frames, lane.bytes
        has_ended = lane.give(taken, most)
        self._frames += lane.frames - frames
        self._bytes += lane.bytes - held_bytes
        if not lane:
            del self._lanes[band]
        elif has_ended:
            self._lanes.move_to_end(band)
