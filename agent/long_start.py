"""A start that takes long: who asked for it is told, and it can be stopped."""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Event

from .telemetry import Telemetry
from .watchdog import Notifier

TELL_SECONDS = 10.0
# What the service manager then waits for the next word.
MORE_SECONDS = 60.0


class Stopped(Exception):
    """The agent was asked to stop before it had started."""


class LongStart:
    """To be called again and again while the start goes on. Raises Stopped once `stop` is set."""

    def __init__(
        self,
        stop: Event,
        notifier: Notifier,
        telemetry: Telemetry,
        *,
        monotonic_seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        self._stop = stop
        self._notifier = notifier
        self._telemetry = telemetry
        self._monotonic_seconds = monotonic_seconds
        self._begun_seconds = self._told_seconds = monotonic_seconds()

    def __call__(self) -> None:
        if self._stop.is_set():
            raise Stopped
        now_seconds = self._monotonic_seconds()
        if now_seconds - self._told_seconds >= TELL_SECONDS:
            self._told_seconds = now_seconds
            self._notifier.wait_longer(MORE_SECONDS)
            self._telemetry.recovering(now_seconds - self._begun_seconds)
