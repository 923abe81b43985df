"""Standard output and error while a live view stands below them: lines wait for the view to print them."""

from __future__ import annotations

import io
import sys
import threading
from typing import TextIO


class LinesAbove(io.TextIOBase):
    """A text stream that keeps whole lines until `drain`; may be written from any thread.

    Two threads that write to one terminal, one of them moving the cursor, tear each other's lines apart;
    so everything that would go to the terminal is written by the one that draws.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._text = ""
        self._replaced: list[tuple[str, TextIO]] = []

    def writable(self) -> bool:
        return True

    def isatty(self) -> bool:
        return True

    def write(self, text: str, /) -> int:
        with self._lock:
            self._text += text
        return len(text)

    def drain(self, *, everything: bool = False) -> list[str]:
        """The lines that are whole, or with `everything` also the one begun."""
        with self._lock:
            whole, _, begun = self._text.rpartition("\n")
            if everything:
                whole, begun = self._text.removesuffix("\n"), ""
            self._text = begun
        return whole.split("\n") if whole else []

    def stand_in(self) -> None:
        """Take the place of those of `sys.stdout` and `sys.stderr` that are terminals."""
        for name in ("stdout", "stderr"):
            stream: TextIO = getattr(sys, name)
            if stream.isatty():
                self._replaced.append((name, stream))
                setattr(sys, name, self)

    def step_aside(self) -> None:
        """Put back what was there."""
        while self._replaced:
            name, stream = self._replaced.pop()
            setattr(sys, name, stream)
