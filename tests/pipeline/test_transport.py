"""Publisher and subscriber over real sockets: what is sent arrives or is counted, and everything closes."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import zmq

from bandwatch.pipeline.continuity import Continuity
from bandwatch.pipeline.errors import BadInput
from bandwatch.pipeline.frames import Gap, IqBlock, PsdFrame
from bandwatch.pipeline.publisher import Publisher
from bandwatch.pipeline.stage import drive
from bandwatch.pipeline.subscriber import Subscriber
from bandwatch.pipeline.wire import Heartbeat, WireError, encode
from bandwatch.tests.jig import rows, same

PATIENCE_SECONDS = 60.0
NO_HEARTBEAT = 3600.0


def no_error(reason: str, message: str) -> None:
    raise AssertionError(f"{reason}: {message}")


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder whose path is short enough for a socket."""
    with tempfile.TemporaryDirectory(prefix="bw") as name:
        yield Path(name)


@pytest.fixture(params=["ipc", "tcp"])
def endpoint(request, folder) -> str:
    return f"ipc://{folder}/s" if request.param == "ipc" else "tcp://127.0.0.1:*"


def meet(publisher: Publisher, subscriber: Subscriber) -> None:
    """Send rows of band `hello` until they are heard: a subscription takes a moment to arrive."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    for row in rows(10_000, bins=2, band="hello"):
        publisher.send(row)
        if subscriber.receive(1, 0.02):
            break
        assert time.monotonic() < deadline, "the subscriber never heard the publisher"
    while any(isinstance(item, PsdFrame) for item in subscriber.receive(1000, 0.05)):
        pass


def hear(subscriber: Subscriber, *, until, band: str = "band", pause_seconds: float = 0.0) -> list:
    """Items of a band, up to the first that `until` likes."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    items = []
    while time.monotonic() < deadline:
        for item in subscriber.receive(1, 1.0):
            time.sleep(pause_seconds)
            if item.band == band:
                items.append(item)
                if until(item):
                    return items
    raise AssertionError(f"heard {len(items)} items, not what was waited for")


def has_ended(item) -> bool:
    return isinstance(item, Heartbeat) and item.ended


def only_rows(items) -> list[PsdFrame]:
    return [item for item in items if isinstance(item, PsdFrame)]


def test_live_rows_arrive_as_they_were_sent(endpoint):
    sent = rows(50, bins=1024, gain_db=20.0, lost_samples=3)
    with (
        Publisher(endpoint, heartbeat_seconds=NO_HEARTBEAT) as publisher,
        Subscriber(publisher.endpoint, on_error=no_error) as subscriber,
    ):
        meet(publisher, subscriber)
        for row in sent:
            assert publisher.send(row) is True
        assert publisher.end() is True
        heard = hear(subscriber, until=has_ended)
    assert same(heard, [*sent, Heartbeat("node", "band", 7, 49, ended=True)])


def test_iq_blocks_arrive_as_they_were_sent(endpoint):
    samples = (np.arange(4096) * (1 + 2j)).astype(np.complex64)
    sent = [IqBlock("node", "band", 7, seq, seq, 868e6, 1e6, samples) for seq in range(5)]
    with (
        Publisher(endpoint, pattern="push", heartbeat_seconds=NO_HEARTBEAT) as publisher,
        Subscriber(publisher.endpoint, pattern="pull", topics=["iq/"], on_error=no_error) as subscriber,
    ):
        for block in sent:
            publisher.send(block)
        publisher.end()
        heard = hear(subscriber, until=has_ended)
    assert same(heard, [*sent, Heartbeat("node", "band", 7, 4, ended=True, carries="iq")])


def test_replay_to_a_slow_reader_loses_nothing(endpoint):
    sent = rows(60, bins=16_384)
    with (
        Publisher(endpoint, pattern="push", high_water=1, heartbeat_seconds=0.01) as publisher,
        Subscriber(publisher.endpoint, pattern="pull", capacity=1, on_error=no_error) as subscriber,
    ):

        def replay() -> None:
            for row in sent:
                publisher.send(row)
            publisher.end()
            publisher.close()

        replaying = threading.Thread(target=replay)
        replaying.start()
        heard = hear(subscriber, until=has_ended, pause_seconds=0.005)
        replaying.join()
    assert same(only_rows(heard), sent)
    assert same(drive(Continuity(), heard), sent)


def test_what_waits_when_a_replay_has_ended_still_arrives_after_its_publisher_closed(endpoint):
    sent = rows(300, bins=1024)
    with (
        Publisher(endpoint, pattern="push") as publisher,
        Subscriber(publisher.endpoint, pattern="pull", capacity=4, on_error=no_error) as subscriber,
    ):
        for row in sent:
            publisher.send(row)
        publisher.end()
        closing = threading.Thread(target=publisher.close)
        closing.start()
        heard = hear(subscriber, until=has_ended, pause_seconds=0.001)
        closing.join()
    assert same(only_rows(heard), sent)


def test_a_slow_reader_of_a_live_stream_finds_each_row_once_or_counted(folder):
    sent = rows(400, bins=64)
    everything_queued = threading.Event()
    context = zmq.Context()
    raw = context.socket(zmq.PUB)
    raw.setsockopt(zmq.SNDHWM, 0)
    raw.bind(f"ipc://{folder}/s")
    with Subscriber(
        f"ipc://{folder}/s", capacity=8, on_error=lambda reason, message: everything_queued.set()
    ) as subscriber:
        while not subscriber.receive(1, 0.02):
            raw.send_multipart(encode(rows(1, band="hello")[0]))
        while subscriber.receive(1000, 0.05):
            pass
        for row in sent:
            raw.send_multipart(encode(row))
            if row.seq % 100 == 0:
                raw.send_multipart(encode(Heartbeat("node", "band", 7, row.seq, ended=False)))
        raw.send_multipart([b"psd/the/end"])
        assert everything_queued.wait(PATIENCE_SECONDS)
        assert subscriber.depth == 8
        raw.send_multipart(encode(Heartbeat("node", "band", 7, 399, ended=True)))
        outputs = drive(Continuity(), hear(subscriber, until=has_ended))
    raw.close(linger=0)
    context.term()
    assert [item.lost_rows for item in outputs if isinstance(item, Gap)] == [392]
    assert isinstance(outputs[0], Gap)
    assert outputs[0].reason == "overflow"
    assert same(outputs[1:], sent[-8:])


def test_a_band_of_few_rows_is_heard_in_time_though_another_floods_a_reader_that_is_too_slow(folder):
    """5 rows/s beside 400 rows/s of 64 KiB, read at 50 rows/s: in the order of arrival 2.5 s would pass."""
    run_seconds, reading_seconds, at_once = 4.0, 0.02, 16
    flood, slow = rows(1600, bins=16_384, band="flood"), rows(20, band="slow", stream=8)
    sent_at: dict[int, float] = {}
    ended = threading.Event()

    def send(publisher: Publisher) -> None:
        begun = time.monotonic()
        for row in flood:
            while time.monotonic() < begun + row.seq * run_seconds / len(flood):
                time.sleep(0.001)
            publisher.send(row)
            if row.seq % 80 == 0:
                sent_at[row.seq // 80] = time.monotonic()
                publisher.send(slow[row.seq // 80])
        ended.set()

    stages = {"flood": Continuity(), "slow": Continuity()}
    outputs: dict[str, list] = {"flood": [], "slow": []}
    ends: set[str] = set()
    latencies, most_bytes, fullest = [], 8 * 2**20, 0.0
    with (
        Publisher(f"ipc://{folder}/s", heartbeat_seconds=0.1) as publisher,
        Subscriber(publisher.endpoint, most_bytes=most_bytes, on_error=no_error) as subscriber,
    ):
        meet(publisher, subscriber)
        sending = threading.Thread(target=send, args=(publisher,))
        sending.start()
        while len(ends) < 2:
            if ended.is_set():
                publisher.end()
            for item in subscriber.receive(at_once, 0.1):
                if item.band == "hello":
                    continue
                outputs[item.band] += drive(stages[item.band], [item])
                if has_ended(item):
                    ends.add(item.band)
                if isinstance(item, PsdFrame) and not ended.is_set():
                    time.sleep(reading_seconds)
                if isinstance(item, PsdFrame) and item.band == "slow":
                    latencies.append(time.monotonic() - sent_at[item.seq])
            fullest = max(fullest, subscriber.fill)
        sending.join()
    assert fullest > 0.98
    assert same(outputs["slow"], slow), "all of them, in order, no gap"
    assert max(latencies) < 2 * at_once * reading_seconds + 0.8
    heard, gaps = only_rows(outputs["flood"]), [item for item in outputs["flood"] if isinstance(item, Gap)]
    assert {gap.reason for gap in gaps} == {"overflow"}
    assert sum(gap.lost_rows for gap in gaps) > 1000
    assert len(heard) + sum(gap.lost_rows for gap in gaps) == len(flood)


def test_rows_dropped_at_the_publishers_high_water_are_counted_from_their_numbers(folder):
    sent = rows(300, bins=16_384)
    with (
        Publisher(f"ipc://{folder}/s", high_water=2, heartbeat_seconds=NO_HEARTBEAT) as publisher,
        Subscriber(publisher.endpoint, on_error=no_error) as subscriber,
    ):
        meet(publisher, subscriber)
        for row in sent:
            publisher.send(row)
        heard: list = []
        while not heard or not has_ended(heard[-1]):  # the last heartbeat may have found no room either
            publisher.send(rows(301, bins=2)[-1])
            publisher.end()
            heard += [item for item in subscriber.receive(1000, 0.05) if item.band == "band"]
        outputs = drive(Continuity(), heard)
    passed = [item for item in outputs if isinstance(item, PsdFrame)]
    lost = sum(item.lost_rows for item in outputs if isinstance(item, Gap))
    assert len(passed) + lost == 301 - passed[0].seq


def test_a_silent_stream_is_announced_by_heartbeats_each_band_its_own(endpoint):
    with (
        Publisher(endpoint, heartbeat_seconds=0.02) as publisher,
        Subscriber(publisher.endpoint, on_error=no_error) as subscriber,
    ):
        meet(publisher, subscriber)
        for row in rows(3, band="one"):
            publisher.send(row)
        for row in rows(5, band="other", node="node2", stream=9):
            publisher.send(row)
        beats: dict[str, Heartbeat] = {}
        while len(beats) < 3:
            for item in subscriber.receive(100, 1.0):
                if isinstance(item, Heartbeat):
                    beats[item.band] = item
    assert beats["one"] == Heartbeat("node", "one", 7, 2, ended=False)
    assert beats["other"] == Heartbeat("node2", "other", 9, 4, ended=False)


def test_two_bands_on_one_socket_keep_their_own_order(endpoint):
    one, other = rows(40, band="one"), rows(40, band="other", stream=8)
    with (
        Publisher(endpoint, pattern="push", heartbeat_seconds=0.01) as publisher,
        Subscriber(publisher.endpoint, pattern="pull", capacity=3, on_error=no_error) as subscriber,
    ):

        def send_both() -> None:
            for pair in zip(one, other, strict=True):
                for row in pair:
                    publisher.send(row)
            publisher.end()

        sending = threading.Thread(target=send_both)
        sending.start()
        heard: list = []
        while sum(has_ended(item) for item in heard) < 2:
            heard += subscriber.receive(5, 1.0)
        sending.join()
    for sent in (one, other):
        of_band = [item for item in heard if item.band == sent[0].band]
        assert same(drive(Continuity(), of_band), sent)


def test_a_publisher_that_starts_again_is_one_restart(endpoint, folder):
    first, second = rows(20, stream=1), rows(20, stream=2)
    with Publisher(endpoint, heartbeat_seconds=NO_HEARTBEAT) as publisher:
        place = publisher.endpoint
        subscriber = Subscriber(place, on_error=no_error)
        meet(publisher, subscriber)
        for row in first:
            publisher.send(row)
        publisher.end()
        heard = hear(subscriber, until=has_ended)
    with Publisher(place, heartbeat_seconds=NO_HEARTBEAT) as publisher, subscriber:
        meet(publisher, subscriber)
        for row in second:
            publisher.send(row)
        publisher.end()
        heard += hear(subscriber, until=has_ended)
    outputs = drive(Continuity(), heard)
    restart = Gap("node", "band", 19, None, None, "restart", first[-1].end_ns)
    assert same(outputs, [*first, restart, *second])


def test_a_new_stream_of_a_band_ends_the_one_before(folder):
    with (
        Publisher(f"ipc://{folder}/s", pattern="push", heartbeat_seconds=NO_HEARTBEAT) as publisher,
        Subscriber(publisher.endpoint, pattern="pull", on_error=no_error) as subscriber,
    ):
        publisher.send(rows(1, stream=1)[0])
        publisher.send(rows(1, stream=2)[0])
        publisher.end()
        heard = hear(subscriber, until=lambda item: has_ended(item) and item.stream == 2)
    assert [(item.stream, has_ended(item)) for item in heard] == [
        (1, False),
        (1, True),
        (2, False),
        (2, True),
    ]


def test_a_gap_its_source_knows_of_arrives_in_its_place(folder):
    r = rows(4)
    hole = Gap("node", "band", 1, 9, None, "source", r[1].end_ns)
    with (
        Publisher(f"ipc://{folder}/s", pattern="push", heartbeat_seconds=NO_HEARTBEAT) as publisher,
        Subscriber(publisher.endpoint, pattern="pull", on_error=no_error) as subscriber,
    ):
        assert publisher.send(hole) is True, "nothing of the band has been sent that it could be a gap of"
        for item in (r[0], r[1], hole, r[2]):
            assert publisher.send(item)
        publisher.end()
        heard = hear(subscriber, until=has_ended)
    assert same(heard, [r[0], r[1], hole, r[2], Heartbeat("node", "band", 7, 2, ended=True)])
    assert same(drive(Continuity(), heard), [r[0], r[1], hole, r[2]])


def test_a_publisher_closed_without_an_end_still_says_its_last_row(folder):
    with Subscriber(f"ipc://{folder}/s", pattern="pull", on_error=no_error, binds=True) as subscriber:
        with Publisher(subscriber.endpoint, pattern="push", binds=False) as publisher:
            assert publisher.send(rows(1)[0])
        assert publisher.send(rows(2)[1]) is False
        publisher.close()
        assert has_ended(hear(subscriber, until=has_ended)[-1])


@pytest.mark.parametrize(
    ("topics", "bands"),
    [
        (["psd/node/band"], ["band"]),
        (["psd/node/"], ["band", "band2"]),
        (["psd/"], ["band", "band2", "band@node2"]),
        (["psd/node/band2", "psd/node2/"], ["band2", "band@node2"]),
    ],
)
@pytest.mark.parametrize("patterns", [("pub", "sub"), ("push", "pull")])
def test_only_the_topics_asked_for_are_heard(folder, topics, bands, patterns):
    last, hello = "psd/the/end", "psd/node/hello"
    with (
        Publisher(f"ipc://{folder}/s", pattern=patterns[0], heartbeat_seconds=NO_HEARTBEAT) as publisher,
        Subscriber(
            publisher.endpoint, pattern=patterns[1], topics=[*topics, last, hello], on_error=no_error
        ) as subscriber,
    ):
        meet(publisher, subscriber)
        publisher.send(rows(1, band="band")[0])
        publisher.send(rows(1, band="band2")[0])
        publisher.send(rows(1, node="node2")[0])
        publisher.send(rows(1, node="the", band="end")[0])
        heard = []
        while not heard or heard[-1].band != "end":
            heard += only_rows(subscriber.receive(10, 1.0))
    names = [row.band if row.node == "node" else f"{row.band}@{row.node}" for row in heard[:-1]]
    assert names == bands


def test_gaps_sent_by_other_threads_do_not_turn_back_what_heartbeats_say(folder):
    first, second = rows(2)
    gap = Gap("node", "band", 0, 1, None, "source", second.time_ns)
    with Publisher(f"ipc://{folder}/s", pattern="push", heartbeat_seconds=NO_HEARTBEAT) as publisher:
        with Subscriber(publisher.endpoint, pattern="pull", on_error=no_error) as subscriber:
            publisher.send(first)
            hear(subscriber, until=lambda item: same(item, first))
        # What is sent before the publisher knows that the reader is gone goes where nobody reads.
        deadline = time.monotonic() + PATIENCE_SECONDS
        while publisher._socket.poll(0, zmq.POLLOUT):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        # Nobody reads now: all wait for room, the gaps since before the row.
        gaps = [threading.Thread(target=publisher.send, args=(gap,)) for _ in range(20)]
        row = threading.Thread(target=publisher.send, args=(second,))
        for thread in gaps:
            thread.start()
        time.sleep(0.2)
        row.start()
        with Subscriber(publisher.endpoint, pattern="pull", on_error=no_error) as subscriber:
            for thread in [*gaps, row]:
                thread.join(PATIENCE_SECONDS)
            publisher.end()
            heard = hear(subscriber, until=has_ended)
    assert heard[-1] == Heartbeat("node", "band", 7, 1, ended=True)
    assert len([item for item in heard if isinstance(item, Gap)]) == 20
    assert same(only_rows(heard), [second])


@pytest.mark.parametrize(
    ("topics", "text"),
    [
        ([], "one subscriber hears one kind"),
        (["psd/", "iq/"], "one subscriber hears one kind"),
        (["psd"], "topic 'psd': must be KIND/"),
        (["fft/"], "topic 'fft/': must be KIND/"),
        (["psd//band"], "topic 'psd//band': must be KIND/"),
        (["psd/a/b/c"], "topic 'psd/a/b/c': must be KIND/"),
        (["psd/a"], "topic 'psd/a': must be KIND/"),
        (["psd/../b"], "topic 'psd/../b': '..' is no name; limit: 1 to 64 letters"),
        (["psd/a/b c"], "topic 'psd/a/b c': 'b c' is no name; limit: 1 to 64 letters"),
    ],
)
def test_topics_that_cannot_be_are_refused(folder, topics, text):
    with pytest.raises(BadInput, match=text):
        Subscriber(f"ipc://{folder}/s", topics=topics, on_error=no_error)


@pytest.mark.parametrize("pattern", ["sub", "pull"])
def test_a_message_that_cannot_be_decoded_is_told_and_the_next_one_heard(folder, pattern):
    errors: list[tuple[str, str]] = []
    topic, header, payload = encode(rows(1)[0])
    context = zmq.Context()
    raw = context.socket(zmq.PUB if pattern == "sub" else zmq.PUSH)
    raw.bind(f"ipc://{folder}/s")
    with Subscriber(
        f"ipc://{folder}/s", pattern=pattern, on_error=lambda *error: errors.append(error)
    ) as subscriber:
        while not subscriber.receive(1, 0.02):
            raw.send_multipart(encode(rows(1, band="hello")[0]))
        raw.send_multipart([topic])
        raw.send_multipart([topic, b"\xc1", payload])
        raw.send_multipart([topic, header, bytes(payload)[:-1]])
        raw.send_multipart([b"psd/no de/band", header, payload])
        raw.send_multipart([topic, header, payload])
        hear(subscriber, until=lambda item: True)
    raw.close(linger=0)
    context.term()
    assert [reason for reason, _ in errors] == ["parts", "header", "payload", "topic"]
    assert all("\n" not in message for _, message in errors)


def test_rubbish_on_a_topic_not_asked_for_is_told_where_it_was_pushed_here(folder):
    errors: list[str] = []
    context = zmq.Context()
    raw = context.socket(zmq.PUSH)
    raw.bind(f"ipc://{folder}/s")
    with Subscriber(
        f"ipc://{folder}/s", pattern="pull", on_error=lambda reason, message: errors.append(reason)
    ) as subscriber:
        raw.send(b"GET / HTTP/1.1")
        raw.send_multipart(encode(rows(1)[0]))
        hear(subscriber, until=lambda item: True)
    raw.close(linger=0)
    context.term()
    assert errors == ["parts"]


def test_a_crash_of_the_receiving_thread_is_raised_to_the_reader(folder):
    def crash(reason: str, message: str) -> None:
        raise ZeroDivisionError(reason)

    context = zmq.Context()
    raw = context.socket(zmq.PUSH)
    raw.bind(f"ipc://{folder}/s")
    with Subscriber(f"ipc://{folder}/s", pattern="pull", on_error=crash) as subscriber:
        raw.send(b"rubbish")
        with pytest.raises(RuntimeError, match="the receiving thread crashed") as caught:
            subscriber.receive(1, PATIENCE_SECONDS)
    raw.close(linger=0)
    context.term()
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


def test_receive_waits_no_longer_than_it_is_told(folder):
    with Subscriber(f"ipc://{folder}/s", on_error=no_error) as subscriber:
        assert subscriber.receive(10, 0.0) == []
        assert subscriber.receive(10, 0.05) == []
        assert subscriber.depth == 0


def test_a_frame_nobody_would_believe_is_refused_before_anything_is_sent(folder):
    with (
        Publisher(f"ipc://{folder}/s", pattern="push") as publisher,
        pytest.raises(WireError, match="bin_hz"),
    ):
        publisher.send(rows(1, bin_hz=-1.0)[0])


@pytest.mark.parametrize("by", ["close", "stop"])
def test_a_send_that_waits_for_room_ends_with(folder, by):
    stop = threading.Event()
    publisher = Publisher(f"ipc://{folder}/s", pattern="push", stop=stop)
    answers = []
    sending = threading.Thread(target=lambda: answers.append(publisher.send(rows(1)[0])))
    sending.start()
    time.sleep(0.1)
    assert sending.is_alive(), "nobody is there to send to, so it has to wait"
    publisher.close() if by == "close" else stop.set()
    sending.join(PATIENCE_SECONDS)
    publisher.close()
    publisher.close()
    assert answers == [False]


def test_an_end_with_no_room_gives_up_after_the_linger(folder):
    sent = rows(400, bins=16_384)
    stop = threading.Event()
    with (
        Publisher(
            f"ipc://{folder}/s", pattern="push", high_water=1, linger_seconds=0.1, stop=stop
        ) as publisher,
        Subscriber(publisher.endpoint, pattern="pull", capacity=1, on_error=no_error),
    ):
        threading.Timer(0.3, stop.set).start()
        count = sum(publisher.send(row) for row in sent)
        assert 0 < count < 400, "a reader that never reads should have stopped it"
        stop.clear()
        assert publisher.end() is False
        # The full subscriber closes while its thread waits for room: leaving the block proves it.


def test_stop_shortens_what_close_waits_for(folder):
    stop = threading.Event()
    with Subscriber(
        f"ipc://{folder}/s", pattern="pull", capacity=1, on_error=no_error, binds=True
    ) as subscriber:
        publisher = Publisher(
            subscriber.endpoint, pattern="push", binds=False, linger_seconds=3600.0, stop=stop
        )
        for row in rows(100, bins=16_384):
            publisher.send(row)
        assert publisher.end()
        closing = threading.Thread(target=publisher.close)
        closing.start()
        time.sleep(0.1)
        assert closing.is_alive(), "rows are still under way"
        stop.set()
        closing.join(PATIENCE_SECONDS)
        assert not closing.is_alive()


BLOCKED_SENDER = """
import signal, sys, threading
from bandwatch.pipeline.publisher import Publisher
from bandwatch.tests.jig import rows
stop = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: stop.set())
with Publisher(sys.argv[1], pattern="push", stop=stop) as publisher:
    print("sending", flush=True)
    assert publisher.send(rows(1)[0]) is False
    publisher.end()
print("stopped", flush=True)
"""


def test_sigterm_stops_a_process_that_waits_for_room(folder):
    process = subprocess.Popen(
        [sys.executable, "-c", BLOCKED_SENDER, f"ipc://{folder}/s"], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "sending\n"
    process.send_signal(signal.SIGTERM)
    rest, _ = process.communicate(timeout=PATIENCE_SECONDS)
    assert (rest, process.returncode) == ("stopped\n", 0)


@pytest.mark.parametrize(
    ("where", "reason"),
    [
        ("", "must be ipc://PATH or tcp://HOST:PORT"),
        ("udp://127.0.0.1:9745", "must be ipc://PATH or tcp://HOST:PORT"),
        ("tcp://127.0.0.1", "must be tcp://HOST:PORT"),
        ("tcp://127.0.0.1:port", "must be tcp://HOST:PORT"),
        ("tcp://127.0.0.1:99999", "port 99999, must be 1..65535"),
        ("tcp://127.0.0.1:0", "port 0, must be 1..65535"),
        ("tcp://no.such.interface.invalid:9745", "no such device"),
        ("ipc://", "must be ipc://PATH"),
        ("ipc://a\0b", "must be ipc://PATH"),
        ("ipc:///" + "x" * 107, "path of 108 bytes, a socket's path has at most 107"),
        ("ipc:///no/such/folder/s", "folder /no/such/folder does not exist"),
        ("ipc:///dev/null", "a file that is not a socket lies there"),
    ],
)
def test_an_endpoint_that_cannot_be_is_refused_in_one_line(where, reason):
    with pytest.raises(BadInput) as caught:
        Publisher(where)
    text = str(caught.value)
    assert text.startswith("endpoint ")
    assert text.endswith(f": {reason}")
    assert where[:100].replace("\0", "\\x00") in text
    assert "\n" not in text


def test_a_subscriber_cannot_call_everywhere():
    with pytest.raises(BadInput, match=r"endpoint tcp://127.0.0.1:\*: only the end that binds may say \*"):
        Subscriber("tcp://127.0.0.1:*", on_error=no_error)


def test_numbers_that_cannot_be_are_refused(folder):
    with pytest.raises(BadInput, match="heartbeat every 0 s: must be more than 0"):
        Publisher(f"ipc://{folder}/s", heartbeat_seconds=0)
    with pytest.raises(BadInput, match="high water of 0 messages: must be at least 1"):
        Publisher(f"ipc://{folder}/s", high_water=0)
    with pytest.raises(BadInput, match="queue of 0 frames"):
        Subscriber(f"ipc://{folder}/s", capacity=0, on_error=no_error)


def test_an_address_in_use_is_refused_and_its_owner_left_in_peace(endpoint):
    with Publisher(endpoint) as publisher:
        with pytest.raises(BadInput, match="address already in use") as caught:
            Publisher(publisher.endpoint)
        assert publisher.endpoint in str(caught.value)
        with Subscriber(publisher.endpoint, on_error=no_error) as subscriber:
            meet(publisher, subscriber)


def test_the_socket_file_of_a_dead_publisher_is_replaced(folder):
    dead = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    dead.bind(f"{folder}/s")
    dead.close()
    assert (folder / "s").is_socket()
    with (
        Publisher(f"ipc://{folder}/s") as publisher,
        Subscriber(publisher.endpoint, on_error=no_error) as subscriber,
    ):
        meet(publisher, subscriber)


def test_a_file_that_is_no_socket_is_left_alone(folder):
    (folder / "s").write_text("precious")
    with pytest.raises(BadInput, match="a file that is not a socket lies there"):
        Publisher(f"ipc://{folder}/s")
    assert (folder / "s").read_text() == "precious"


def test_a_subscriber_may_be_there_before_its_publisher(folder):
    with (
        Subscriber(f"ipc://{folder}/s", on_error=no_error) as subscriber,
        Publisher(f"ipc://{folder}/s") as publisher,
    ):
        meet(publisher, subscriber)


def test_an_abstract_socket_needs_no_file():
    with (
        Publisher("ipc://@bandwatch-test-transport") as publisher,
        Subscriber("ipc://@bandwatch-test-transport", on_error=no_error) as subscriber,
    ):
        meet(publisher, subscriber)
