"""The truth that `bandwatch simulate --truth` wrote: one emission a line, found again by window."""

from __future__ import annotations

import json
import math
from bisect import bisect_left
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..pipeline.errors import BadInput
from ..pipeline.frames import Window
from ..pipeline.patches import Emission
from ..pipeline.sidecar import instant_ns
from .window_truth import Truth, truth_of

NUMBERS = ("low_hz", "high_hz", "power_db")


class TruthFile:
    """Emissions in the order of their starts, and what a window shows of them."""

    def __init__(self, emissions: Sequence[Emission]) -> None:
        self.emissions = sorted(emissions, key=lambda emission: emission.start_ns)
        self._longest_ns = max((each.end_ns - each.start_ns for each in self.emissions), default=0)

    @classmethod
    def read(cls, path: Path) -> TruthFile:
        """Read JSON lines with `kind`, `start`, `end`, `low_hz`, `high_hz`, `power_db`; more keys may stand
        there.

        Raises BadInput, naming the line, for what is no such object; a file without a line is a band in
        which nothing was sent.
        """
        emissions: list[Emission] = []
        try:
            with path.open(encoding="utf-8") as file:
                for number, line in enumerate(file, 1):
                    if line.strip():
                        emissions.append(_emission(f"--truth {path}: line {number}", line))
        except OSError as error:
            raise BadInput(f"--truth {path}: cannot be read: {error.strerror}") from None
        except UnicodeDecodeError as error:
            raise BadInput(f"--truth {path}: byte {error.start} is not UTF-8") from None
        return cls(emissions)

    def truth_of(self, window: Window) -> Truth:
        """What a window shows. Looks only at emissions that begin late enough to reach it: days cost no
        more than minutes."""

        def start(emission: Emission) -> int:
            return emission.start_ns

        first = bisect_left(self.emissions, window.start_ns - self._longest_ns, key=start)
        after = bisect_left(self.emissions, window.end_ns, key=start)
        return truth_of(window, self.emissions[first:after])


def _emission(where: str, line: str) -> Emission:
    try:
        found: Any = json.loads(line)
    except ValueError as error:
        raise BadInput(f"{where}: is not JSON: {error}") from None
    if not isinstance(found, dict):
        raise BadInput(f"{where}: a {type(found).__name__}; limit: an object")
    for key in ("kind", "start", "end"):
        if not isinstance(found.get(key), str) or not found[key]:
            raise BadInput(f"{where}: {key} is {found.get(key)!r}; limit: a text")
    for key in NUMBERS:
        value = found.get(key)
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise BadInput(f"{where}: {key} is {value!r}; limit: a number")
    start_ns, end_ns = (instant_ns(f"{where}: {key}", found[key]) for key in ("start", "end"))
    if end_ns < start_ns:
        raise BadInput(f"{where}: end is {found['end']}; limit: not before the start, {found['start']}")
    low_hz, high_hz, power_db = (float(found[key]) for key in NUMBERS)
    return Emission(found["kind"], start_ns, end_ns, low_hz, high_hz, power_db)
