"""The bounded queue between a receiving thread and its reader: what does not fit is counted, in its place."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

from .errors import BadInput
from .frames import Gap, IqBlock, PsdFrame
from .wire import Carries, Heartbeat, Message

WhenFull = Literal["drop_oldest", "wait"]
Received = Message

_Band = tuple[str, str]


class FrameQueue:
    """At most `capacity` frames of one kind (rows, or IQ blocks), any number of bands, one reader.

    When it is full, `put` either waits for room (`wait`), or takes away the oldest frame (`drop_oldest`).
    The reader finds a `Gap("overflow")` of that band where the frames would have been, `lost_rows` exact.

    Heartbeats take no room and are never lost. One that follows another of its stream, with nothing of
    the band between them, replaces it, so there are never more of them than frames and streams. Those
    older than a frame taken away are folded into what is told of the loss: a heartbeat that says where
    the stream stood before it, the gap, and a heartbeat that says where it stood after it. So rows lost
    on the way here before, between or after the dropped ones are still seen by `Continuity`, each once.

    A gap that a source told of takes room as a frame does; taken away, it is told all the same, and those
    of one band are told as one.
    """

    def __init__(self, capacity: int, when_full: WhenFull) -> None:
        if capacity < 1:
            raise BadInput(f"queue of {capacity} frames: must hold at least 1")
        self._capacity = capacity
        self._when_full: WhenFull = when_full
        self._changed = threading.Condition()
        self._told: deque[Received] = deque()
        self._losses: dict[_Band, list[_Loss]] = {}
        self._items: deque[PsdFrame | IqBlock | Gap | _Slot] = deque()
        self._dropped_gaps: dict[_Band, Gap] = {}
        self._open_slots: dict[_Band, _Slot] = {}
        self._frames = 0
        self._closed = False
        self._failure: BaseException | None = None

    @property
    def depth(self) -> int:
        """Frames waiting to be taken."""
        return self._frames

    def put(self, item: Message) -> bool:
        """Add an item; False if the queue has been closed, at once or while waiting for room."""
        with self._changed:
            if self._when_full == "wait" and not isinstance(item, Heartbeat):
                self._changed.wait_for(lambda: self._frames < self._capacity or self._closed)
            if self._closed:
                return False
            if isinstance(item, Heartbeat):
                self._put_heartbeat(item)
            else:
                if self._frames >= self._capacity:
                    self._drop_oldest()
                self._items.append(item)
                self._open_slots.pop((item.node, item.band), None)
                self._frames += 1
            self._changed.notify_all()
            return True

    def take(self, max_items: int, timeout_seconds: float) -> list[Received]:
        """The oldest items, at most `max_items`; waits up to `timeout_seconds` for the first.

        An empty list if none came or the queue was closed. Raises `RuntimeError` once the items left by a
        receiving thread that crashed have been taken.
        """
        with self._changed:
            if not self._anything():
                self._changed.wait_for(
                    lambda: self._anything() or self._closed or self._failure is not None, timeout_seconds
                )
            taken: list[Received] = []
            while len(taken) < max_items and self._anything():
                taken.append(self._next())
            if self._failure is not None and not taken:
                raise RuntimeError(f"the receiving thread crashed: {self._failure!r}") from self._failure
            self._changed.notify_all()
            return taken

    def close(self) -> None:
        """Forget what waits; whoever waits returns."""
        with self._changed:
            self._closed = True
            self._told.clear()
            self._losses.clear()
            self._dropped_gaps.clear()
            self._items.clear()
            self._open_slots.clear()
            self._frames = 0
            self._changed.notify_all()

    def fail(self, error: BaseException) -> None:
        """Nothing more will come, because of an error that the reader is to see."""
        with self._changed:
            self._failure = error
            self._changed.notify_all()

    def _anything(self) -> bool:
        return bool(self._told or self._losses or self._dropped_gaps or self._items)

    def _next(self) -> Received:
        if not self._told and self._dropped_gaps:
            self._told += self._dropped_gaps.values()
            self._dropped_gaps.clear()
        if not self._told and self._losses:
            for (node, band), losses in self._losses.items():
                for loss in losses:
                    self._told += loss.told(node, band)
            self._losses.clear()
        if self._told:
            return self._told.popleft()
        item = self._items.popleft()
        if isinstance(item, _Slot):
            self._close_slot(item)
            return item.heartbeat
        self._frames -= 1
        return item

    def _put_heartbeat(self, heartbeat: Heartbeat) -> None:
        band = (heartbeat.node, heartbeat.band)
        slot = self._open_slots.get(band)
        if slot and slot.heartbeat.stream == heartbeat.stream and not slot.heartbeat.ended:
            slot.heartbeat = heartbeat
        else:
            self._open_slots[band] = slot = _Slot(heartbeat)
            self._items.append(slot)

    def _close_slot(self, slot: _Slot) -> None:
        band = (slot.heartbeat.node, slot.heartbeat.band)
        if self._open_slots.get(band) is slot:
            del self._open_slots[band]

    def _drop_oldest(self) -> None:
        while self._items:
            item = self._items.popleft()
            if isinstance(item, _Slot):
                self._close_slot(item)
                self._loss_of(item.heartbeat).hear(item.heartbeat)
            elif isinstance(item, Gap):
                band = (item.node, item.band)
                self._dropped_gaps[band] = _one_gap(self._dropped_gaps.get(band), item)
                self._frames -= 1
                return
            else:
                self._loss_of(item).drop(item)
                self._frames -= 1
                return

    def _loss_of(self, item: PsdFrame | IqBlock | Heartbeat) -> _Loss:
        """The loss that an older item belongs to: that of its run of its stream."""
        losses = self._losses.setdefault((item.node, item.band), [])
        anew = not item.ended if isinstance(item, Heartbeat) else item.seq == 0
        for loss in reversed(losses):
            if loss.stream == item.stream and not (loss.ended and anew):
                return loss
        if isinstance(item, Heartbeat):
            loss = _Loss(item.stream, item.carries, before=item.last_seq, last=item.last_seq)
        else:
            carries: Carries = "psd" if isinstance(item, PsdFrame) else "iq"
            loss = _Loss(item.stream, carries, before=item.seq - 1, last=item.seq - 1)
        losses.append(loss)
        return loss


def _one_gap(first: Gap | None, second: Gap) -> Gap:
    """Two gaps of a band as one: the later one, with the rows and samples of both."""
    if first is None:
        return second
    return replace(
        second,
        lost_rows=_sum(first.lost_rows, second.lost_rows),
        lost_samples=_sum(first.lost_samples, second.lost_samples),
    )


def _sum(first: int | None, second: int | None) -> int | None:
    return None if first is None or second is None else first + second


class _Slot:
    """The place of a heartbeat in the queue, so that a later one can take it."""

    __slots__ = ("heartbeat",)

    def __init__(self, heartbeat: Heartbeat) -> None:
        self.heartbeat = heartbeat


@dataclass(slots=True)
class _Loss:
    """What was taken away of one run of one stream, and up to where that run is known."""

    stream: int
    carries: Carries
    before: int
    last: int
    ended: bool = False
    rows: int = 0
    samples: int = 0
    time_ns: int = 0

    def hear(self, heartbeat: Heartbeat) -> None:
        self.last = max(self.last, heartbeat.last_seq)
        self.ended = heartbeat.ended

    def drop(self, frame: PsdFrame | IqBlock) -> None:
        if frame.seq <= self.last:  # a duplicate, or announced before it came: counted already
            return
        if self.rows == 0:
            self.time_ns = frame.time_ns
        self.rows += 1
        self.samples += frame.lost_samples
        self.last = frame.seq

    def told(self, node: str, band: str) -> Iterator[Received]:
        if self.rows:
            yield Heartbeat(node, band, self.stream, self.before, False, self.carries)
            yield Gap(node, band, self.before, self.rows, self.samples or None, "overflow", self.time_ns)
        yield Heartbeat(node, band, self.stream, self.last, self.ended, self.carries)
