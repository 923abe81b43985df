"""How many rows a second come, lately."""

from __future__ import annotations

from collections import deque

OVER_SECONDS = 10.0
_MARK_SECONDS = 0.25


class RowRate:
    """Rows a second over the last ten seconds; over the last two rows where they come more rarely."""

    def __init__(self) -> None:
        self.rows = 0
        self._marks: deque[tuple[float, int]] = deque()

    def count(self, now_seconds: float) -> None:
        """A row came at `now_seconds` of a monotonic clock."""
        self.rows += 1
        marks = self._marks
        if marks and now_seconds - marks[-1][0] < _MARK_SECONDS:
            return
        marks.append((now_seconds, self.rows))
        while len(marks) > 2 and marks[1][0] <= now_seconds - OVER_SECONDS:
            marks.popleft()

    def per_second(self, now_seconds: float) -> float:
        """The rate; 0 before the second row; sinks while rows fail to come."""
        marks = self._marks
        since = marks[0] if marks else None
        for mark in marks:
            if mark[0] <= now_seconds - OVER_SECONDS and mark[1] < self.rows:
                since = mark
        if since is None or now_seconds <= since[0]:
            return 0.0
        return (self.rows - since[1]) / (now_seconds - since[0])
