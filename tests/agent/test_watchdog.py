import os
import socket
import threading
import uuid
from pathlib import Path

import pytest

from bandwatch.agent.watchdog import Notifier, Watchdog, watchdog_seconds


class Manager:
    """The service manager's end: a real datagram socket."""

    def __init__(self, address: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(address)

    def heard(self, timeout_seconds: float = 2.0) -> str | None:
        self._socket.settimeout(timeout_seconds)
        try:
            return self._socket.recv(4096).decode()
        except TimeoutError:
            return None

    def close(self) -> None:
        self._socket.close()


@pytest.fixture(params=["path", "abstract"])
def manager_and_notifier(request, tmp_path):
    name = uuid.uuid4().hex[:12]
    if request.param == "path":
        address = notify_socket = str(tmp_path / name)
    else:
        address, notify_socket = f"\0bandwatch-{name}", f"@bandwatch-{name}"
    manager = Manager(address)
    yield manager, Notifier(notify_socket)
    manager.close()


def test_each_message_is_what_systemd_expects(manager_and_notifier):
    manager, notifier = manager_and_notifier
    notifier.ready()
    notifier.beat()
    notifier.stopping()
    assert [manager.heard() for _ in range(3)] == ["READY=1", "WATCHDOG=1", "STOPPING=1"]
    assert notifier.lost == 0


@pytest.mark.parametrize("address", [None, ""])
def test_without_a_manager_nothing_is_said_and_nothing_fails(address):
    notifier = Notifier(address)
    notifier.ready()
    notifier.beat()
    assert notifier.lost == 0


def test_a_manager_that_is_away_or_too_busy_does_not_stop_the_agent(tmp_path):
    away = Notifier(str(tmp_path / "nobody"))
    away.beat()
    assert away.lost == 1
    manager = Manager(str(tmp_path / "busy"))
    busy = Notifier(str(tmp_path / "busy"))
    for _ in range(5000):
        busy.beat()
    assert busy.lost > 0
    manager.close()


@pytest.mark.parametrize(
    ("environment", "seconds"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "60000000"}, 60.0),
        ({"WATCHDOG_USEC": "60000000", "WATCHDOG_PID": str(os.getpid())}, 60.0),
        ({"WATCHDOG_USEC": "60000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({"WATCHDOG_USEC": "-5"}, None),
    ],
)
def test_the_period_is_the_one_systemd_asks_this_process_for(environment, seconds):
    assert watchdog_seconds(environment) == seconds


class Agent:
    """Progress, row duration and time, moved by hand."""

    def __init__(self, notifier: Notifier, period_seconds: float = 10.0) -> None:
        self.rows = 0
        self.row_seconds = 0.0
        self.now_seconds = 1000.0
        self.watchdog = Watchdog(
            notifier,
            period_seconds,
            progress=lambda: self.rows,
            row_seconds=lambda: self.row_seconds,
            monotonic_seconds=lambda: self.now_seconds,
        )


def test_it_beats_while_rows_make_progress_and_not_when_they_stop(manager_and_notifier):
    manager, notifier = manager_and_notifier
    agent = Agent(notifier)
    for _ in range(4):
        agent.now_seconds += 5
        agent.rows += 25
        assert agent.watchdog.beat_if_moving()
        assert manager.heard() == "WATCHDOG=1"
    agent.now_seconds += 9.9
    assert agent.watchdog.beat_if_moving()
    assert manager.heard() == "WATCHDOG=1"
    agent.now_seconds += 0.1
    assert not agent.watchdog.beat_if_moving()
    assert manager.heard(0.05) is None


def test_it_beats_again_when_rows_come_back():
    agent = Agent(Notifier(None))
    agent.now_seconds += 30
    assert not agent.watchdog.beat_if_moving()
    agent.rows += 1
    assert agent.watchdog.beat_if_moving()


def test_a_source_with_a_row_in_a_quarter_of_an_hour_may_take_three_of_them():
    agent = Agent(Notifier(None))
    agent.row_seconds = 900.0
    agent.rows = 1
    assert agent.watchdog.beat_if_moving()
    agent.now_seconds += 2699
    assert agent.watchdog.beat_if_moving()
    agent.now_seconds += 1
    assert not agent.watchdog.beat_if_moving()


def test_before_the_first_row_it_is_patient_for_one_period():
    agent = Agent(Notifier(None))
    agent.now_seconds += 9.9
    assert agent.watchdog.beat_if_moving()
    agent.now_seconds += 0.1
    assert not agent.watchdog.beat_if_moving()


def test_its_thread_beats_twice_a_period_and_ends_at_once_when_stopped(tmp_path: Path):
    manager = Manager(str(tmp_path / "notify"))
    rows = iter(range(10**9))
    watchdog = Watchdog(Notifier(str(tmp_path / "notify")), 0.1, lambda: next(rows), lambda: 0.0)
    watchdog.start()
    assert [manager.heard(), manager.heard(), manager.heard()] == ["WATCHDOG=1"] * 3
    watchdog.stop()
    watchdog.stop()
    assert not any(thread.name == "watchdog" for thread in threading.enumerate())
    manager.close()


def test_its_thread_falls_silent_when_nothing_moves(tmp_path: Path):
    manager = Manager(str(tmp_path / "notify"))
    watchdog = Watchdog(Notifier(str(tmp_path / "notify")), 0.2, lambda: 7, lambda: 0.0)
    watchdog.start()
    beats = 0
    while manager.heard(1.0) is not None:
        beats += 1
        assert beats < 10
    assert beats >= 1
    watchdog.stop()
    manager.close()
