"""States are kept neither too rarely for a quick restart nor too often for the disk."""

import pytest

from bandwatch.agent.snapshot_schedule import SnapshotSchedule

MB = 1_000_000


class Clock:
    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_the_first_is_due_after_twenty_seconds_and_not_before(clock: Clock):
    schedule = SnapshotSchedule(clock)
    clock.seconds += 19
    assert not schedule.due
    clock.seconds += 2
    assert schedule.due


def test_states_are_at_most_a_fifth_of_what_is_written(clock: Clock):
    schedule = SnapshotSchedule(clock)
    written, states = 0, 0
    for _ in range(3 * 3600):
        clock.seconds += 1
        schedule.journaled(MB // 5)
        written += MB // 5
        if schedule.due:
            schedule.begin()
            schedule.kept(25 * MB)
            states += 25 * MB
    assert 0 < states <= 0.2 * (written + states) + 25 * MB


def test_a_quiet_band_is_kept_once_an_hour(clock: Clock):
    schedule = SnapshotSchedule(clock)
    times = []
    for second in range(4 * 3600):
        clock.seconds += 1
        schedule.journaled(10)
        if schedule.due:
            schedule.begin()
            schedule.kept(25 * MB)
            times.append(second)
    assert len(times) in (4, 5)


def test_it_is_due_at_once_when_something_has_changed(clock: Clock):
    schedule = SnapshotSchedule(clock)
    schedule.want()
    assert schedule.due
    schedule.begin()
    assert not schedule.due
