"""When a recorded row is due: the pace of a replay."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterable, Iterator

from .errors import BadInput
from .frames import NS_PER_S, Gap, PsdFrame

LONGEST_HOLE_SECONDS = 10.0
LONGEST_SLEEP_SECONDS = 3600.0


def parse_speed(text: str) -> float | None:
    """`--speed`: how many recorded seconds pass in one; `max` is None, as fast as the rows are taken."""
    if text.strip().lower() == "max":
        return None
    try:
        speed = float(text)
    except ValueError:
        speed = math.nan
    if not 0 < speed < math.inf:
        raise BadInput(f"--speed {text}; limit: a number above 0, or max")
    return speed


class Pacer:
    """Lets rows leave at `speed` times the pace they were recorded at; `speed` None never waits.

    The first row leaves at once; each other at its distance in time from the first, divided by `speed`.
    The schedule hangs on the first row, not on the last sleep, so it does not drift; a taker that fell
    behind gets rows without waiting until it has caught up. Where a row begins more than 10 s of recorded
    time after the end of the row before, or before its start (a hole, a clock set back, another file), it
    leaves when the row before is over, and the schedule goes on from there.

    `clock` gives monotonic seconds. `sleep` waits for so many; by default it is `stop.wait`, so that
    setting `stop` ends the wait at once.
    """

    def __init__(
        self,
        speed: float | None,
        sleep: Callable[[float], object] | None = None,
        clock: Callable[[], float] = time.monotonic,
        *,
        stop: threading.Event | None = None,
    ) -> None:
        if speed is not None and not 0 < speed < math.inf:
            raise BadInput(f"speed: {speed}; limit: above 0, or None for no pacing")
        self._speed = speed
        self._stop = threading.Event() if stop is None else stop
        self._sleep = self._stop.wait if sleep is None else sleep
        self._clock = clock
        self._last: PsdFrame | None = None
        self._anchor_ns = 0
        self._anchor_seconds = 0.0

    def wait(self, frame: PsdFrame) -> bool:
        """Return when the row is due: True, or False when `stop` was set."""
        if self._speed is not None:
            due = self._due_seconds(frame, self._speed)
            while not self._stop.is_set() and (remaining := due - self._clock()) > 0:
                self._sleep(min(remaining, LONGEST_SLEEP_SECONDS))
        return not self._stop.is_set()

    def paced(self, items: Iterable[PsdFrame | Gap]) -> Iterator[PsdFrame | Gap]:
        """The items, each when it is due, gaps at once; ends early when `stop` is set."""
        for item in items:
            if self._stop.is_set() or (isinstance(item, PsdFrame) and not self.wait(item)):
                return
            yield item

    def _due_seconds(self, frame: PsdFrame, speed: float) -> float:
        last, self._last = self._last, frame
        if last is None:
            self._anchor_ns, self._anchor_seconds = frame.time_ns, self._clock()
        elif not last.time_ns <= frame.time_ns <= last.end_ns + LONGEST_HOLE_SECONDS * NS_PER_S:
            self._anchor_seconds = self._at(last.end_ns, speed)
            self._anchor_ns = frame.time_ns
        return self._at(frame.time_ns, speed)

    def _at(self, time_ns: int, speed: float) -> float:
        return self._anchor_seconds + (time_ns - self._anchor_ns) / NS_PER_S / speed
