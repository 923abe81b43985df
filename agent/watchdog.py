"""systemd's notify protocol, and a beat that stops when rows stop making progress (sd_notify(3))."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable, Mapping

PATIENCE_ROWS = 3


class Notifier:
    """Tells the service manager how the agent is; does nothing where there is none.

    `address` is the value of NOTIFY_SOCKET: a path, or an abstract name that begins with `@`.
    """

    def __init__(self, address: str | None) -> None:
        self._address = "\0" + address[1:] if address and address[0] == "@" else address
        self.lost = 0

    def ready(self) -> None:
        """The start is over."""
        self._send("READY=1")

    def wait_longer(self, seconds: float) -> None:
        """The start goes on; the next word comes within so many seconds."""
        self._send(f"EXTEND_TIMEOUT_USEC={round(seconds * 1e6)}")

    def beat(self) -> None:
        """The agent lives."""
        self._send("WATCHDOG=1")

    def stopping(self) -> None:
        """The end has begun."""
        self._send("STOPPING=1")

    def _send(self, message: str) -> None:
        if not self._address:
            return
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as notify:
            notify.setblocking(False)
            try:
                notify.sendto(message.encode(), self._address)
            except OSError:
                # The manager is restarting or its queue is full; a beat that is lost is followed by others.
                self.lost += 1


def watchdog_seconds(environment: Mapping[str, str]) -> float | None:
    """The watchdog period systemd asks this process for (WATCHDOG_USEC, WATCHDOG_PID); None without one."""
    microseconds = environment.get("WATCHDOG_USEC", "")
    meant_for = environment.get("WATCHDOG_PID", "")
    if not microseconds.isdecimal() or int(microseconds) == 0:
        return None
    if meant_for and meant_for != str(os.getpid()):
        return None
    return int(microseconds) / 1e6


class Watchdog:
    """Beats every half period, from a thread of its own, while `progress` moves.

    `progress()` is a counter (rows looked at); `row_seconds()` the duration of the slowest rows, 0 if not
    known yet. Where rows are rare by nature, three of them may be waited for: it beats while progress is
    less than max(`period_seconds`, 3 rows) ago.
    """

    def __init__(
        self,
        notifier: Notifier,
        period_seconds: float,
        progress: Callable[[], int],
        row_seconds: Callable[[], float],
        *,
        monotonic_seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        self._notifier = notifier
        self._period_seconds = period_seconds
        self._progress = progress
        self._row_seconds = row_seconds
        self._monotonic_seconds = monotonic_seconds
        self._seen = progress()
        self._moved_seconds = monotonic_seconds()
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to beat, at once."""
        self._thread = threading.Thread(target=self._run, name="watchdog", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Beat no more."""
        self._ended.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def beat_if_moving(self) -> bool:
        """Beat once, unless progress is too long ago; whether it did."""
        now_seconds = self._monotonic_seconds()
        seen = self._progress()
        if seen != self._seen:
            self._seen = seen
            self._moved_seconds = now_seconds
        patience_seconds = max(self._period_seconds, PATIENCE_ROWS * self._row_seconds())
        if now_seconds - self._moved_seconds >= patience_seconds:
            return False
        self._notifier.beat()
        return True

    def _run(self) -> None:
        while True:
            self.beat_if_moving()
            if self._ended.wait(self._period_seconds / 2):
                return
