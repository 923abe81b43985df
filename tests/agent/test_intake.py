"""What the loop is given: of every source a fair share, however many there are and however busy."""

from __future__ import annotations

from bandwatch.agent.intake import SocketIntake
from bandwatch.pipeline.frame_queue import FrameQueue
from bandwatch.pipeline.frames import PsdFrame
from bandwatch.pipeline.wire import Heartbeat
from bandwatch.tests.jig import rows


class Source:
    """A subscriber without its socket."""

    def __init__(self, capacity: int = 8) -> None:
        self.queue = FrameQueue(capacity, "drop_oldest")

    @property
    def depth(self) -> int:
        return self.queue.depth

    @property
    def fill(self) -> float:
        return self.queue.fill

    def receive(self, max_items: int, timeout_seconds: float) -> list:
        return self.queue.take(max_items, timeout_seconds)


def intake_of(*sources: Source) -> SocketIntake:
    return SocketIntake(sources, check=lambda: None)  # pyright: ignore[reportArgumentType]


def test_of_many_sources_that_all_lose_rows_all_the_time_each_comes_on():
    sources = [Source() for _ in range(30)]
    intake = intake_of(*sources)
    heard = dict.fromkeys(range(30), 0)
    sent = [rows(1000, bins=2, band=f"band{number}") for number in range(30)]
    for turn in range(100):
        for number, source in enumerate(sources):
            for row in sent[number][10 * turn : 10 * turn + 10]:
                source.queue.put(row)
        items = intake.receive(64, 0.0)
        assert len(items) <= 64
        for item in items:
            if isinstance(item, PsdFrame):
                heard[int(item.band.removeprefix("band"))] += 1
    assert min(heard.values()) > 50
    assert max(heard.values()) - min(heard.values()) <= 5


def test_a_quiet_source_is_read_in_each_turn_beside_a_busy_one():
    busy, quiet = Source(1000), Source()
    intake = intake_of(busy, quiet)
    for row in rows(1000, bins=2, band="busy"):
        busy.queue.put(row)
    for row in rows(3, bins=2, band="quiet"):
        quiet.queue.put(row)
        assert "quiet" in {item.band for item in intake.receive(64, 0.0)}


def test_it_is_as_full_as_the_fullest_of_its_queues():
    one, other = Source(8), Source(16)
    intake = intake_of(one, other)
    assert (intake.fill, intake.depth) == (0.0, 0)
    for row in rows(4, bins=2):
        one.queue.put(row)
        other.queue.put(row)
    assert (intake.fill, intake.depth) == (0.5, 8)


def test_it_waits_for_whichever_source_speaks():
    silent, speaking = Source(), Source()
    speaking.queue.put(Heartbeat("node", "band", 7, 3, ended=False))
    assert len(intake_of(silent, speaking).receive(64, 3600.0)) == 1
