"""Rows that share a flaw, told as runs: `rows 5-9: ...`."""

from __future__ import annotations

MOST_RUNS = 20


class RowRuns:
    """Gathers row numbers, added in rising order; keeps the first 20 runs and counts the rest."""

    def __init__(self) -> None:
        self._runs: list[tuple[int, int]] = []
        self._rows_beyond = 0

    def add(self, row: int) -> None:
        if self._runs and not self._rows_beyond and self._runs[-1][1] == row - 1:
            self._runs[-1] = (self._runs[-1][0], row)
        elif len(self._runs) < MOST_RUNS:
            self._runs.append((row, row))
        else:
            self._rows_beyond += 1

    def in_words(self, flaw: str) -> list[str]:
        """One line a run, rows counted from 0, both ends included; then how many rows more."""
        words = [
            f"row {first}: {flaw}" if first == last else f"rows {first}-{last}: {flaw}"
            for first, last in self._runs
        ]
        if self._rows_beyond:
            words.append(f"{self._rows_beyond} more rows: {flaw}")
        return words
