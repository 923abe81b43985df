"""Log lines on standard error: JSON where a machine reads them, coloured text on a terminal."""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections.abc import Callable, Hashable
from typing import Any, Literal, TextIO

import structlog
from structlog.typing import EventDict, FilteringBoundLogger, Processor

from ..pipeline.errors import BadInput

LEVELS = ("debug", "info", "warning", "error")
MOST_KINDS = 1000
LogFormat = Literal["auto", "json", "console"]


class LevelFilter:
    """Passes lines of `level` and above; it may be changed while the agent runs.

    Raises BadInput for a level that is none.
    """

    def __init__(self, level: str = "info") -> None:
        self.level = level

    @property
    def level(self) -> str:
        return self._level

    @level.setter
    def level(self, level: str) -> None:
        if level not in LEVELS:
            raise BadInput(f"logging.level is {level!r}: must be one of {', '.join(LEVELS)}")
        self._level = level
        self._number = LEVELS.index(level)

    def __call__(self, _log: object, method: str, line: EventDict) -> EventDict:
        if method in LEVELS and LEVELS.index(method) < self._number:
            raise structlog.DropEvent
        return line


def open_log(
    level: str | LevelFilter = "info", log_format: LogFormat = "auto", stream: TextIO | None = None
) -> FilteringBoundLogger:
    """The agent's logger; what libraries log through `logging` comes out of it too.

    `auto` is JSON lines unless the stream is a terminal. Without a stream the lines go to whatever
    `sys.stderr` is when they are written, so that a live view may redirect it. Raises BadInput for a
    level that is none.
    """
    level_filter = LevelFilter(level) if isinstance(level, str) else level
    on_terminal = (stream or sys.stderr).isatty()
    as_json = log_format == "json" or (log_format == "auto" and not on_terminal)
    log: FilteringBoundLogger = structlog.wrap_logger(
        _LineWriter(stream),
        processors=[level_filter, *_processors(as_json, colors=on_terminal)],
        wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG),
        cache_logger_on_first_use=True,
    )
    root = logging.getLogger()
    for handler in [handler for handler in root.handlers if isinstance(handler, _Bridge)]:
        root.removeHandler(handler)
    root.addHandler(_Bridge(log))
    root.setLevel(logging.WARNING)
    return log


def _processors(as_json: bool, *, colors: bool) -> list[Processor]:
    if as_json:
        return [
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(default=str, ensure_ascii=False),
        ]
    return [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="%H:%M:%S", utc=False),
        structlog.dev.ConsoleRenderer(
            colors=colors, sort_keys=False, pad_event_to=20, exception_formatter=structlog.dev.plain_traceback
        ),
    ]


class _LineWriter:
    """Writes each line whole, whichever thread it comes from."""

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream
        self._lock = threading.Lock()

    def msg(self, message: str) -> None:
        with self._lock:
            stream = self._stream or sys.stderr
            stream.write(message + "\n")
            stream.flush()

    debug = info = warning = error = critical = msg


class _Bridge(logging.Handler):
    """Gives what libraries say through `logging` to the agent's logger."""

    def __init__(self, log: FilteringBoundLogger) -> None:
        super().__init__()
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        more: dict[str, Any] = {"exc_info": record.exc_info} if record.exc_info else {}
        self._log.log(record.levelno, record.getMessage(), logger=record.name, **more)


class LineLimit:
    """At most one line of a kind in `period_seconds`; those held back are counted, none is forgotten."""

    def __init__(
        self, period_seconds: float = 5.0, monotonic_seconds: Callable[[], float] = time.monotonic
    ) -> None:
        self._period_seconds = period_seconds
        self._monotonic_seconds = monotonic_seconds
        self._lock = threading.Lock()
        self._last_seconds: dict[Hashable, float] = {}
        self._held_back: dict[Hashable, int] = {}

    def admit(self, kind: Hashable) -> int | None:
        """None: hold this line back. A number: write it, and say that so many like it were held back."""
        now_seconds = self._monotonic_seconds()
        with self._lock:
            last_seconds = self._last_seconds.get(kind)
            if last_seconds is not None and now_seconds - last_seconds < self._period_seconds:
                self._held_back[kind] = self._held_back.get(kind, 0) + 1
                return None
            if len(self._last_seconds) >= MOST_KINDS:
                self._forget(now_seconds)
            self._last_seconds[kind] = now_seconds
            return self._held_back.pop(kind, 0)

    def __len__(self) -> int:
        """Kinds remembered."""
        return len(self._last_seconds)

    def _forget(self, now_seconds: float) -> None:
        for kind, last_seconds in tuple(self._last_seconds.items()):
            if now_seconds - last_seconds >= self._period_seconds and kind not in self._held_back:
                del self._last_seconds[kind]

    def left(self) -> int:
        """Lines held back of which no later line has told."""
        with self._lock:
            return sum(self._held_back.values())
