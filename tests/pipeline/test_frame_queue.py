"""The bounded queue: what does not fit is counted once, in its place; no band pushes out another's rows."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bandwatch.pipeline.continuity import Continuity
from bandwatch.pipeline.errors import BadInput
from bandwatch.pipeline.frame_queue import FrameQueue
from bandwatch.pipeline.frames import Gap, IqBlock, PsdFrame
from bandwatch.pipeline.queue_lane import weight_bytes
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


def seqs(items, band: str) -> list[int]:
    return [item.seq for item in items if isinstance(item, PsdFrame) and item.band == band]


def test_a_flood_pushes_out_its_own_rows_and_no_others():
    slow, flood = rows(3, band="slow"), rows(100, band="flood")
    taken = filled(8, [*slow[:2], *flood[:60], slow[2], *flood[60:]]).take(ALL, 0)
    assert seqs(taken, "slow") == [0, 1, 2]
    assert seqs(taken, "flood") == [95, 96, 97, 98, 99]
    assert [(item.band, item.lost_rows) for item in taken if isinstance(item, Gap)] == [("flood", 95)]


def test_of_bands_that_hold_as_much_the_oldest_frame_goes():
    one, other = rows(2, band="one"), rows(2, band="other")
    taken = filled(3, [beat(-1, band="other"), one[0], other[0], one[1], other[1]]).take(ALL, 0)
    assert (seqs(taken, "one"), seqs(taken, "other")) == ([1], [0, 1])


def test_frames_are_bounded_by_their_bytes_as_by_their_number():
    wide, narrow = rows(10, bins=4096, band="wide"), rows(10, bins=2, band="narrow")
    queue = FrameQueue(100, "drop_oldest", most_bytes=100_000)
    for pair in zip(wide, narrow, strict=True):
        for row in pair:
            queue.put(row)
    taken = queue.take(ALL, 0)
    assert seqs(taken, "narrow") == list(range(10))
    kept = seqs(taken, "wide")
    assert kept == [5, 6, 7, 8, 9], "5 x 4096 x 4 = 81,920 bytes and what 15 objects weigh"


def test_one_frame_fits_however_large():
    huge = rows(3, bins=4096)
    queue = FrameQueue(4, "drop_oldest", most_bytes=1)
    for row in huge:
        assert queue.put(row)
        assert queue.depth == 1
    assert queue.fill == 1.0
    assert told(queue.take(ALL, 0)) == ["h-1", "g2", "h1", "2"]
    waiting = FrameQueue(4, "wait", most_bytes=1)
    assert waiting.put(huge[0])
    assert waiting.take(1, 0) == huge[:1]


def test_fill_is_of_frames_or_of_bytes_whichever_is_more():
    queue = FrameQueue(8, "drop_oldest", most_bytes=100_000)
    assert queue.fill == 0.0
    for row in rows(2, bins=2):
        queue.put(row)
    assert queue.fill == 2 / 8
    queue.put(rows(1, bins=10_000)[0])
    assert 0.4 < queue.fill < 0.45
    queue.take(ALL, 0)
    assert queue.fill == 0.0


def test_a_row_behind_a_flood_comes_with_the_next_take_and_what_comes_is_in_order_of_arrival():
    flood, slow = rows(100, band="flood"), rows(1, band="slow")
    queue = filled(200, [*flood[:90], *slow, *flood[90:]])
    assert queue.take(8, 0) == [*flood[:7], *slow]
    assert queue.take(ALL, 0) == flood[7:]


@pytest.mark.parametrize("most", [8, 64])
def test_every_band_comes_on_though_all_of_them_lose_rows_all_the_time(most):
    bands = [f"band{number}" for number in range(6)]
    queue = FrameQueue(12, "drop_oldest")
    heard = dict.fromkeys(bands, 0)
    rows_of = {band: rows(600, bins=2, band=band) for band in bands}
    for turn in range(100):
        for n in range(6):
            for band in bands:
                queue.put(rows_of[band][6 * turn + n])
        taken = queue.take(most, 0)
        assert len(taken) <= most
        for band in bands:
            heard[band] += len(seqs(taken, band))
    fair = sum(heard.values()) / 6
    assert fair > 10
    assert all(abs(count - fair) <= 2 for count in heard.values()), heard


@pytest.mark.parametrize("most", [1, 3, 64])
def test_where_nothing_is_lost_the_order_between_bands_is_that_of_arrival_however_it_is_read(most):
    one, other = rows(20, band="one"), rows(20, band="other")
    items = [*one[:15], *other[:3], beat(2, band="other"), *one[15:], beat(19, band="one"), *other[3:]]
    queue = FrameQueue(100, "wait")
    for item in items:
        queue.put(item)
    taken = []
    while got := queue.take(most, 0):
        taken += got
    assert taken == items


QUIET = rows(30, bins=100, band="quiet")
FLOODS = {name: rows(300, bins=bins, band=name) for name, bins in (("a", 2), ("b", 300), ("c", 2000))}


@settings(max_examples=100, deadline=None)
@given(
    st.integers(4, 24),
    st.sampled_from([2**30, 30_000]),
    st.lists(
        st.tuples(
            st.integers(0, 10),
            st.lists(st.tuples(st.sampled_from(["a", "b", "c"]), st.integers(1, 25)), max_size=4),
        ),
        min_size=1,
        max_size=3,
    ),
    st.randoms(use_true_random=False),
)
def test_a_band_within_its_share_loses_nothing_however_much_others_send(capacity, most_bytes, reads, random):
    queue = FrameQueue(capacity, "drop_oldest", most_bytes=most_bytes)
    next_seq = dict.fromkeys([*FLOODS, "quiet"], 0)
    share = min(capacity // 4, most_bytes // 4 // weight_bytes(QUIET[0]))  # four bands in all
    outputs = []
    continuity = Continuity()
    for sends, others in reads:
        order = ["quiet"] * min(sends, share) + [band for band, count in others for _ in range(count)]
        random.shuffle(order)
        for band in order:
            queue.put((QUIET if band == "quiet" else FLOODS[band])[next_seq[band]])
            next_seq[band] += 1
        for item in queue.take(ALL, 0):
            if item.band == "quiet":
                outputs += drive(continuity, [item])
    assert outputs == QUIET[: next_seq["quiet"]]


# A band's life: rows published, some never arriving; heartbeats; the reader taking some items now and then.
BANDS = ("one", "other", "third")
TEMPLATES = {band: rows(200, bins=bins) for band, bins in zip(BANDS, (2, 200, 1000), strict=True)}
happenings = st.lists(
    st.tuples(
        st.sampled_from(BANDS),
        st.sampled_from(["row", "row", "row", "wire_loss", "beat", "take", "restart", "end"]),
        st.integers(1, 6),
    ),
    max_size=120,
)


@settings(max_examples=300, deadline=None)
@given(happenings, st.integers(1, 8), st.sampled_from([2**30, 10_000]))
def test_rows_are_passed_on_or_reported_lost_exactly_once(life, capacity, most_bytes):
    queue = FrameQueue(capacity, "drop_oldest", most_bytes=most_bytes)
    stages = {band: Continuity() for band in BANDS}
    stream = dict.fromkeys(BANDS, 0)
    seq = dict.fromkeys(BANDS, 0)
    heard_from = {band: {} for band in BANDS}
    outputs = {band: [] for band in BANDS}

    def read(max_items):
        for item in queue.take(max_items, 0):
            outputs[item.band] += drive(stages[item.band], [item])

    def send(band, *, arrives=True):
        frame = TEMPLATES[band][seq[band]]
        if arrives:
            heard_from[band].setdefault(stream[band], seq[band])
            queue.put(
                PsdFrame("node", band, stream[band], seq[band], frame.time_ns, frame.duration_ns, 1e6, 1.0,
                         frame.power_db, "dB")
            )  # fmt: skip
            assert queue.depth <= capacity
            assert queue.depth == 1 or queue.bytes <= most_bytes
        seq[band] += 1

    def announce(band, *, ended):
        if stream[band] in heard_from[band]:  # else counting would begin at the heartbeat
            queue.put(beat(seq[band] - 1, band=band, stream=stream[band], ended=ended))

    expected = dict.fromkeys(BANDS, 0)

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
    for band in BANDS:
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


def test_waiting_for_room_is_for_bytes_as_for_frames():
    items = rows(60, bins=4096)
    queue = FrameQueue(1000, "wait", most_bytes=60_000)
    putting = threading.Thread(target=lambda: [queue.put(item) for item in items])
    putting.start()
    deepest, taken = 0, []
    while len(taken) < len(items):
        deepest = max(deepest, queue.depth)
        taken += queue.take(1, 10)
    putting.join()
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
    with pytest.raises(BadInput, match="queue of 0 bytes: must hold at least 1"):
        FrameQueue(1, "wait", most_bytes=0)
