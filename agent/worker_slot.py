"""Who of the agent's threads may have a worker process at work: one at a time, in turn."""

from __future__ import annotations

import threading
from collections import deque


class WorkerSlot:
    """Holds at most one user; memory of workers is bounded by the largest, not by their sum.

    Whoever asks in vain is asked before anybody who comes, or comes again, after it. So each user must ask
    again and again until it has been let in once, or `leave`. Safe to call from several threads.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._holder: object | None = None
        self._waiting: deque[object] = deque()

    def take(self, user: object) -> bool:
        """Whether it is the user's from now on, until it lets go."""
        with self._lock:
            if self._holder is None and (not self._waiting or self._waiting[0] is user):
                if self._waiting:
                    self._waiting.popleft()
                self._holder = user
                return True
            if self._holder is not user and user not in self._waiting:
                self._waiting.append(user)
            return False

    def let_go(self, user: object) -> None:
        """Free for the next, if it was this user's."""
        with self._lock:
            if self._holder is user:
                self._holder = None

    def leave(self, user: object) -> None:
        """The user will ask no more."""
        self.let_go(user)
        with self._lock:
            if user in self._waiting:
                self._waiting.remove(user)
