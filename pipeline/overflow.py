"""What a full queue took away of a band, told so that every row is counted once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from .frames import Gap, IqBlock, PsdFrame
from .wire import Carries, Heartbeat, Message


class Overflow:
    """The items taken away of one band since the reader was last told.

    Frames become a `Gap("overflow")` of each run of each stream, `lost_rows` exact, between a heartbeat that
    says where the stream stood before and one that says where it stood after: so rows lost on the way here
    before, between or after them are still seen by `Continuity`, each once. Heartbeats taken away with them
    are folded into these. Gaps that a source told of are told all the same, as one.
    """

    def __init__(self) -> None:
        self._losses: list[_Loss] = []
        self._gap: Gap | None = None

    def __bool__(self) -> bool:
        return self._gap is not None or bool(self._losses)

    def add(self, item: Message) -> None:
        """An item that was older than all that the queue still holds of its band."""
        if isinstance(item, Gap):
            self._gap = item if self._gap is None else _one_gap(self._gap, item)
        elif isinstance(item, Heartbeat):
            self._loss_of(item).hear(item)
        else:
            self._loss_of(item).drop(item)

    def tell(self) -> Iterator[Message]:
        """All of it, and forget it."""
        gap, losses = self._gap, self._losses
        self._gap, self._losses = None, []
        if gap is not None:
            yield gap
        for loss in losses:
            yield from loss.told()

    def _loss_of(self, item: PsdFrame | IqBlock | Heartbeat) -> _Loss:
        """The loss that an older item belongs to: that of its run of its stream."""
        anew = not item.ended if isinstance(item, Heartbeat) else item.seq == 0
        for loss in reversed(self._losses):
            if loss.stream == item.stream and not (loss.ended and anew):
                return loss
        if isinstance(item, Heartbeat):
            carries, before = item.carries, item.last_seq
        else:
            carries, before = "psd" if isinstance(item, PsdFrame) else "iq", item.seq - 1
        loss = _Loss(item.node, item.band, item.stream, carries, before=before, last=before)
        self._losses.append(loss)
        return loss


@dataclass(slots=True)
class _Loss:
    """What was taken away of one run of one stream, and up to where that run is known."""

    node: str
    band: str
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

    def told(self) -> Iterator[Message]:
        if self.rows:
            yield Heartbeat(self.node, self.band, self.stream, self.before, False, self.carries)
            yield Gap(
                self.node, self.band, self.before, self.rows, self.samples or None, "overflow", self.time_ns
            )
        yield Heartbeat(self.node, self.band, self.stream, self.last, self.ended, self.carries)


def _one_gap(first: Gap, second: Gap) -> Gap:
    """Two gaps of a band as one: the later one, with the rows and samples of both."""
    return replace(
        second,
        lost_rows=_sum(first.lost_rows, second.lost_rows),
        lost_samples=_sum(first.lost_samples, second.lost_samples),
    )


def _sum(first: int | None, second: int | None) -> int | None:
    return None if first is None or second is None else first + second
