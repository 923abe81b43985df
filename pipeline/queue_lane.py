"""What waits of one band in the bounded queue."""

from __future__ import annotations

from collections import deque

from .frames import Gap, IqBlock, PsdFrame
from .overflow import Overflow
from .wire import Heartbeat, Message

# What the objects of an item weigh beside their array: measured some 700 bytes.
ITEM_BYTES = 1024


def weight_bytes(item: Message) -> int:
    """The memory that a waiting item holds, roughly."""
    if isinstance(item, PsdFrame):
        return ITEM_BYTES + item.power_db.nbytes
    return ITEM_BYTES + (item.samples.nbytes if isinstance(item, IqBlock) else 0)


class Lane:
    """Items in the order they came; the oldest may be taken away, which is told before what comes after.

    `frames` and `bytes` are of the frames (and gaps of a source) that wait. Heartbeats are never lost: one
    that follows another of its stream, with nothing of the band between them, replaces it.
    """

    __slots__ = ("_items", "_open_slots", "_overflow", "_told", "bytes", "frames")

    def __init__(self) -> None:
        self.frames = 0
        self.bytes = 0
        self._items: deque[tuple[int, PsdFrame | IqBlock | Gap | _Slot]] = deque()
        self._open_slots: dict[tuple[str, str], _Slot] = {}
        self._overflow = Overflow()
        self._told: deque[Message] = deque()

    def __bool__(self) -> bool:
        """Whether there is anything to give."""
        return bool(self._items or self._told or self._overflow)

    def put(self, arrival: int, item: Message) -> None:
        """Add an item that arrived after all others: the `arrival`th."""
        band = (item.node, item.band)
        if not isinstance(item, Heartbeat):
            self._items.append((arrival, item))
            self._open_slots.pop(band, None)
            self.frames += 1
            self.bytes += weight_bytes(item)
            return
        slot = self._open_slots.get(band)
        if slot and slot.heartbeat.stream == item.stream and not slot.heartbeat.ended:
            slot.heartbeat = item
        else:
            self._open_slots[band] = slot = _Slot(item)
            self._items.append((arrival, slot))

    def oldest_arrival(self) -> int:
        """When the oldest frame came."""
        return next(arrival for arrival, item in self._items if not isinstance(item, _Slot))

    def drop_oldest(self) -> None:
        """Take the oldest frame away, and the heartbeats before it."""
        frames = self.frames
        while self.frames == frames:
            self._overflow.add(self._pop())

    def give(self, taken: list[tuple[int, Message]], most: int) -> bool:
        """A turn of this band: add to `taken` what is told, a frame and the heartbeats about it.

        False if `taken` got `most` items before the turn was over.
        """
        while self._told or self._overflow:
            if len(taken) >= most:
                return False
            if not self._told:
                self._told += self._overflow.tell()
            taken.append((0, self._told.popleft()))
        gave_frame = False
        while self._items:
            arrival, item = self._items[0]
            is_frame = not isinstance(item, _Slot)
            if gave_frame and is_frame:
                break
            if len(taken) >= most:
                return False
            taken.append((arrival, self._pop()))
            gave_frame |= is_frame
        return True

    def _pop(self) -> Message:
        item = self._items.popleft()[1]
        if isinstance(item, _Slot):
            band = (item.heartbeat.node, item.heartbeat.band)
            if self._open_slots.get(band) is item:
                del self._open_slots[band]
            return item.heartbeat
        self.frames -= 1
        self.bytes -= weight_bytes(item)
        return item


class _Slot:
    """The place of a heartbeat among the items, so that a later one can take it."""

    __slots__ = ("heartbeat",)

    def __init__(self, heartbeat: Heartbeat) -> None:
        self.heartbeat = heartbeat
