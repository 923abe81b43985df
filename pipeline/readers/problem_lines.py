"""Oddities found while a file is opened, a line each, bounded however many there are."""

from __future__ import annotations

MOST_TOLD = 20


class ProblemLines:
    """The first 20 as they are, then how many more."""

    def __init__(self) -> None:
        self._told: list[str] = []
        self._untold = 0

    def add(self, line: str) -> None:
        """Take one more."""
        if len(self._told) < MOST_TOLD:
            self._told.append(line)
        else:
            self._untold += 1

    @property
    def lines(self) -> tuple[str, ...]:
        """All of it in words."""
        more = (f"{self._untold} more problems like these",) if self._untold else ()
        return (*self._told, *more)
