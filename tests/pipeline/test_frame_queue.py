"""The bounded queue: what does not fit is counted once, in its place; heartbeats are never lost."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bandwatch.pipeline.continuity import Continuity
from bandwatch.pipeline.errors import BadInput
from bandwatch.pipeline.frame_queue import FrameQueue
from bandwatch.pipeline.frames import Gap, IqBlock, PsdFrame
from bandwatch.pipeline.stage import drive
from bandwatch.pipeline.wire import Heartbeat
from bandwatch.tests.jig import rows

ALL = 10_000


def beat(last_seq: int, *, band: str = "band", stream: int = 7, ended: bool = False) -> Heartbeat:
    return Heartbeat("node", band, stream, last_seq, ended)


def filled(capacity: int, items) -> FrameQueue:
    queue = FrameQueue(capacity, "drop_oldest")
    for item in items:
        assert queue.put(item)
    return queue


def told(items) -> list[str]:
    """A short picture of items: `3` row, `h3` heartbeat, `H3` last heartbeat, `g2` gap of two rows."""
    picture = []
    for item in items:
        if isinstance(item, Gap):
            assert item.reason == "overflow"
            picture.append(f"g{item.lost_rows}")
        elif isinstance(item, Heartbeat):
            picture.append(f"{'H' if item.ended else 'h'}{item.last_seq}")
        else:
            picture.append(str(item.seq))
    return picture


def test_items_come_out_in_their_order():
    items = rows(5)
    queue = filled(8, items)
    assert queue.depth == 5
    assert queue.take(3, 0) == items[:3]
    assert queue.depth == 2
    assert queue.take(ALL, 0) == items[3:]
    assert queue.take(ALL, 0) == []


def test_when_full_the_oldest_go_and_a_gap_stands_in_their_place():
    items = rows(10)
    queue = filled(4, items)
    assert queue.depth == 4
    before, gap, after, *rest = queue.take(ALL, 0)
    assert (before, after) == (beat(-1), beat(5))
    assert gap == Gap("node", "band", -1, 6, None, "overflow", items[0].time_ns)
    assert rest == items[6:]


def test_what_the_receiver_lost_in_dropped_rows_is_kept():
    gap = filled(2, rows(4, lost_samples=100)).take(ALL, 0)[1]
    assert (gap.lost_rows, gap.lost_samples) == (2, 200)


def test_the_gap_belongs_to_the_band_whose_rows_went():
    one, other = rows(4, band="one"), rows(4, band="other")
    taken = filled(3, [*one[:3], other[0], other[1], *one[3:]]).take(ALL, 0)
    assert [(g.band, g.lost_rows) for g in taken if isinstance(g, Gap)] == [("one", 3)]
    assert taken[-3:] == [other[0], other[1], one[3]]


def test_heartbeats_take_no_room_and_a_later_one_replaces_the_one_before():
    queue = FrameQueue(2, "drop_oldest")
    items = rows(2)
    queue.put(items[0])
    for second in range(1000):
        queue.put(beat(0))
        queue.put(beat(second, band="other"))
    queue.put(items[1])
    assert queue.depth == 2
    assert queue.take(ALL, 0) == [items[0], beat(0), beat(999, band="other"), items[1]]


def test_a_heartbeat_taken_is_not_replaced_later():
    queue = filled(4, [beat(0)])
    assert queue.take(1, 0) == [beat(0)]
    queue.put(beat(1))
    assert queue.take(1, 0) == [beat(1)]


def test_a_heartbeat_that_ends_a_stream_is_not_replaced():
    assert told(filled(4, [beat(3), beat(4, ended=True), beat(0)]).take(ALL, 0)) == ["H4", "h0"]


def test_heartbeats_among_dropped_rows_are_folded_into_what_is_told():
    r = rows(9)
    items = [r[0], beat(0), r[1], beat(1), r[3], beat(3), r[4], beat(6), r[7], r[8]]
    assert told(filled(2, items).take(ALL, 0)) == ["h-1", "g4", "h4", "h6", "7", "8"]


def test_each_run_of_each_stream_is_told_apart():
    first, second = rows(3, stream=1), rows(4, stream=2)
    again = [beat(2, stream=1, ended=True), *rows(2, stream=1)]
    taken = filled(1, [*first, *again, *second]).take(ALL, 0)
    assert told(taken) == ["h-1", "g3", "H2", "h-1", "g2", "h1", "h-1", "g3", "h2", "3"]
    assert [item.stream for item in taken if isinstance(item, Heartbeat)] == [1, 1, 1, 1, 2, 2]


def test_a_dropped_duplicate_is_not_a_lost_row():
    r = rows(4)
    assert told(filled(1, [r[0], r[1], r[1], r[0], r[2], r[3]]).take(ALL, 0)) == ["h-1", "g3", "h2", "3"]


def test_iq_blocks_are_counted_too():
    blocks = [IqBlock("node", "band", 7, n, n, 1e6, 1e6, rows(1)[0].power_db.astype("c8")) for n in range(3)]
    taken = filled(1, blocks).take(ALL, 0)
    assert told(taken) == ["h-1", "g2", "h1", "2"]
    assert taken[0].carries == "iq"


def hole(after_seq: int, lost_rows: int | None, band: str = "band") -> Gap:
    return Gap("node", band, after_seq, lost_rows, None, "source", 1_800_000_000 * 10**9 + after_seq)


def test_a_gap_that_the_source_told_of_keeps_its_place():
    r = rows(4)
    items = [r[0], beat(0), hole(0, 3), beat(0), r[1]]
    queue = filled(4, items)
    assert queue.depth == 3
    assert queue.take(ALL, 0) == items


def test_gaps_of_the_source_that_are_taken_away_are_told_as_one_a_band():
    r = rows(6)
    items = [hole(-1, 3), hole(-1, 4), hole(-1, 7, "other"), r[0], hole(0, None, "other"), r[1], r[2]]
    taken = filled(1, items).take(ALL, 0)
    told_of = [
        (item.band, item.lost_rows) for item in taken if isinstance(item, Gap) and item.reason == "source"
    ]
    assert told_of == [("band", 7), ("other", None)]
    assert [item.lost_rows for item in taken if isinstance(item, Gap) and item.reason == "overflow"] == [2]
    assert taken[-1] == r[2]
    assert filled(1, [hole(0, None), hole(1, 2), r[2]]).take(1, 0)[0].lost_rows is None


def test_what_is_told_may_be_taken_bit_by_bit():
    queue = filled(2, rows(5))
    taken = queue.take(1, 0)
    more = rows(9)[5:]
    for row in more:
        queue.put(row)
    while got := queue.take(1, 0):
        taken += got
    assert told(taken) == ["h-1", "g3", "h2", "h2", "g4", "h6", "7", "8"]


# A band's life: rows published, some never arriving; heartbeats; the reader taking some items now and then.
happenings = st.lists(
    st.tuples(
        st.sampled_from(["one", "other"]),
        st.sampled_from(["row", "row", "row", "wire_loss", "beat", "take", "restart", "end"]),
        st.integers(1, 6),
    ),
    max_size=120,
)


@settings(max_examples=300)
@given(happenings, st.integers(1, 5))
def test_rows_are_passed_on_or_reported_lost_exactly_once(life, capacity):
    queue = FrameQueue(capacity, "drop_oldest")
    stages = {band: Continuity() for band in ("one", "other")}
    template = rows(200, bins=2)
    stream = {"one": 0, "other": 0}
    seq = {"one": 0, "other": 0}
    heard_from = {"one": {}, "other": {}}
    outputs = {"one": [], "other": []}

    def read(max_items):
        for item in queue.take(max_items, 0):
            outputs[item.band] += drive(stages[item.band], [item])

    def send(band, *, arrives=True):
        frame = template[seq[band]]
        if arrives:
            heard_from[band].setdefault(stream[band], seq[band])
            queue.put(
                PsdFrame("node", band, stream[band], seq[band], frame.time_ns, frame.duration_ns, 1e6, 1.0,
                         frame.power_db, "dB")
            )  # fmt: skip
        seq[band] += 1

    def announce(band, *, ended):
        if stream[band] in heard_from[band]:  # else counting would begin at the heartbeat
            queue.put(beat(seq[band] - 1, band=band, stream=stream[band], ended=ended))

    expected = {"one": 0, "other": 0}

    def finish(band):
        announce(band, ended=True)
        first = heard_from[band].get(stream[band])
        expected[band] += seq[band] - first if first is not None else 0

    for band, what, count in life:
        if what == "row":
            for _ in range(count):
                send(band)
        elif what == "wire_loss":
            send(band, arrives=False)
        elif what == "beat":
            announce(band, ended=False)
        elif what == "take":
            read(count)
        else:
            finish(band)
            stream[band] += 1
            seq[band] = 0
        if seq[band] > 190:
            finish(band)
            stream[band] += 1
            seq[band] = 0
    for band in ("one", "other"):
        finish(band)
    read(ALL)

    for band, items in outputs.items():
        passed = sum(isinstance(item, PsdFrame) for item in items)
        lost = sum(item.lost_rows or 0 for item in items if isinstance(item, Gap))
        assert passed + lost == expected[band]
        keys = [(item.stream, item.seq) for item in items if isinstance(item, PsdFrame)]
        assert keys == sorted(set(keys))


def test_waiting_for_room_loses_nothing_and_keeps_the_order():
    items = rows(300, bins=2)
    queue = FrameQueue(3, "wait")
    deepest = 0
    taken = []

    def put_all():
        for item in items:
            queue.put(item)

    thread = threading.Thread(target=put_all)
    thread.start()
    while len(taken) < len(items):
        deepest = max(deepest, queue.depth)
        taken += queue.take(2, 10)
    thread.join()
    assert taken == items
    assert deepest <= 3


def test_close_ends_a_put_that_waits_for_room_and_a_take_that_waits_for_items():
    queue = FrameQueue(1, "wait")
    one, other = rows(2)
    queue.put(one)
    answers = []
    putting = threading.Thread(target=lambda: answers.append(queue.put(other)))
    putting.start()
    queue.close()
    putting.join(10)
    assert answers == [False]
    assert queue.put(one) is False
    assert queue.take(1, 0) == []

    empty = FrameQueue(1, "drop_oldest")
    taking = threading.Thread(target=lambda: answers.append(empty.take(1, 3600)))
    taking.start()
    empty.close()
    taking.join(10)
    assert answers == [False, []]


def test_a_crash_on_the_putting_side_is_raised_after_what_it_left():
    queue = filled(4, rows(1))
    queue.fail(ZeroDivisionError("division by zero"))
    assert len(queue.take(ALL, 0)) == 1
    with pytest.raises(RuntimeError, match="the receiving thread crashed: ZeroDivisionError") as caught:
        queue.take(ALL, 3600)
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


def test_a_queue_for_nothing_is_refused():
    with pytest.raises(BadInput, match="queue of 0 frames: must hold at least 1"):
        FrameQueue(0, "wait")
