"""SIGTERM and Ctrl-C ask a command to stop, a second one stops it there and then; so does SIGHUP, but for an
agent, which it asks to read its settings again."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event
from types import FrameType


@contextmanager
def stop_on_signals() -> Iterator[Event]:
    """An Event that the first SIGTERM, SIGINT or SIGHUP sets; handlers are put back on leaving.

    A SIGHUP that is ignored, as under nohup, stays so.
    """
    stop = Event()
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)}
    if before[signal.SIGHUP] == signal.SIG_IGN:
        del before[signal.SIGHUP]

    def ask(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - the signature signal wants
        stop.set()
        signal.signal(number, signal.SIG_DFL)

    for number in before:
        signal.signal(number, ask)
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def reload_on_hangup(stop: Event) -> Iterator[Event]:
    """An Event that SIGHUP sets. The SIGHUP of a terminal that is closed sets `stop` instead."""
    asked = Event()
    before = signal.getsignal(signal.SIGHUP)
    on_terminal = os.isatty(0)

    def ask(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - the signature signal wants
        terminal_is_gone = on_terminal and not os.isatty(0)
        (stop if terminal_is_gone else asked).set()

    signal.signal(signal.SIGHUP, ask)
    try:
        yield asked
    finally:
        signal.signal(signal.SIGHUP, before)
