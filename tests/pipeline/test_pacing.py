"""A replay keeps the pace it was asked for, to the digit, and never sleeps through a hole of days."""

from __future__ import annotations

import math
import threading
import time
from dataclasses import replace

import pytest

from bandwatch.pipeline.errors import BadInput
from bandwatch.pipeline.frames import Gap, PsdFrame
from bandwatch.pipeline.pacing import LONGEST_HOLE_SECONDS, LONGEST_SLEEP_SECONDS, Pacer, parse_speed
from bandwatch.tests.jig import SECOND, gap_before, rows


class Clock:
    """Seconds that pass only in sleep, each sleep overshooting by `late` seconds."""

    def __init__(self, late: float = 0.0) -> None:
        self.now = 1000.0
        self.late = late
        self.sleeps: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)
        self.now += seconds + self.late


def leave_times(items: list[PsdFrame | Gap], speed: float | None, clock: Clock) -> list[float]:
    return [clock.now - 1000.0 for _ in Pacer(speed, clock.sleep, clock).paced(items)]


@pytest.mark.parametrize("speed", [0.25, 1.0, 3.0, 1000.0])
def test_rows_leave_at_the_speed_asked_for(speed: float) -> None:
    items = rows(50, duration_ns=SECOND // 5)
    expected = [0.2 * row / speed for row in range(50)]
    assert leave_times([*items], speed, Clock()) == pytest.approx(expected, abs=1e-9)


def test_late_sleeps_do_not_add_up() -> None:
    clock = Clock(late=0.01)
    left = leave_times([*rows(1000)], 1.0, clock)
    assert left[-1] == pytest.approx(999.01, abs=1e-6)
    assert max(at - row for row, at in enumerate(left)) < 0.011


def test_jittered_stamps_are_kept() -> None:
    stamps = [0, 9, 21, 30, 38, 52]
    items = [
        replace(frame, time_ns=ns * SECOND)
        for frame, ns in zip(rows(6, duration_ns=10 * SECOND), stamps, strict=True)
    ]
    assert leave_times([*items], 2.0, Clock()) == pytest.approx([ns / 2 for ns in stamps])


def test_at_max_nothing_waits() -> None:
    clock = Clock()
    assert leave_times([*rows(100)], None, clock) == [0.0] * 100
    assert not clock.sleeps


def test_who_fell_behind_catches_up_with_the_schedule() -> None:
    clock = Clock()
    pacer = Pacer(1.0, clock.sleep, clock)
    items = rows(10)
    assert pacer.wait(items[0])
    clock.now += 5.5  # the taker was busy
    for item in items[1:6]:
        assert pacer.wait(item)
    assert clock.now == 1005.5
    assert pacer.wait(items[6])
    assert clock.now == 1006.0


@pytest.mark.parametrize("jump_seconds", [LONGEST_HOLE_SECONDS + 2, 86_400.0 * 365, -0.5, -86_400.0])
def test_a_long_hole_or_a_clock_set_back_costs_one_row_of_time(jump_seconds: float) -> None:
    items = rows(20)
    jump_ns = round(jump_seconds * SECOND)
    later = [replace(frame, time_ns=frame.time_ns - SECOND + jump_ns) for frame in items[10:]]
    left = leave_times([*items[:10], *later], 1.0, Clock())
    assert left == pytest.approx([float(row) for row in range(20)])


def test_a_short_hole_is_waited_for() -> None:
    items = rows(4)
    later = [replace(frame, time_ns=frame.time_ns + 5 * SECOND) for frame in items[2:]]
    assert leave_times([*items[:2], *later], 1.0, Clock()) == pytest.approx([0, 1, 7, 8])


def test_rows_longer_than_the_longest_hole_are_waited_for() -> None:
    clock = Clock()
    assert leave_times([*rows(5, duration_ns=900 * SECOND)], 1.0, clock) == [0, 900, 1800, 2700, 3600]


def test_long_waits_are_slept_in_pieces() -> None:
    clock = Clock()
    left = leave_times([*rows(2, duration_ns=900 * SECOND)], 0.01, clock)
    assert left == [0, 90_000]
    assert max(clock.sleeps) <= LONGEST_SLEEP_SECONDS


def test_gaps_leave_at_once() -> None:
    items = rows(3)
    left = leave_times([items[0], gap_before(items[1]), items[1], items[2]], 1.0, Clock())
    assert left == [0, 0, 1, 2]


def test_a_stop_ends_a_wait_at_once() -> None:
    stop = threading.Event()
    items = rows(3, duration_ns=3600 * SECOND)
    threading.Timer(0.05, stop.set).start()
    begun = time.monotonic()
    assert [item.seq for item in Pacer(1.0, stop=stop).paced(items)] == [0]
    assert time.monotonic() - begun < 60  # and not an hour


def test_after_a_stop_nothing_leaves_at_any_speed() -> None:
    stop = threading.Event()
    stop.set()
    assert list(Pacer(None, stop=stop).paced(rows(3))) == []
    assert not Pacer(5.0, stop=stop).wait(rows(1)[0])
    assert list(Pacer(None, stop=stop).paced([gap_before(rows(1)[0])])) == []


@pytest.mark.parametrize(
    ("text", "speed"), [("1", 1.0), ("0.5", 0.5), ("1e3", 1000.0), ("max", None), (" MAX ", None)]
)
def test_speeds_are_numbers_or_max(text: str, speed: float | None) -> None:
    assert parse_speed(text) == speed


@pytest.mark.parametrize("text", ["0", "-1", "nan", "inf", "fast", "", "2x"])
def test_other_speeds_are_refused(text: str) -> None:
    with pytest.raises(BadInput) as caught:
        parse_speed(text)
    assert str(caught.value) == f"--speed {text}; limit: a number above 0, or max"


@pytest.mark.parametrize("speed", [0.0, -1.0, math.nan, math.inf])
def test_a_pacer_refuses_them_too(speed: float) -> None:
    with pytest.raises(BadInput, match="limit: above 0, or None"):
        Pacer(speed)
