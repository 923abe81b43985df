"""The truth that `bandwatch simulate` wrote, of emissions or of windows, found again by window."""

from __future__ import annotations

import json
import math
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..pipeline.errors import BadInput
from ..pipeline.frames import Int64, Window
from ..pipeline.patches import Emission
from ..pipeline.sidecar import instant_ns
from ..pipeline.windows import WINDOW_ROWS
from .window_truth import Truth, truth_of

NUMBERS = ("low_hz", "high_hz", "power_db")


def read_truth(path: Path) -> Emissions | WindowKinds:
    """Read JSON lines: emissions, as `simulate --truth` writes them (`kind`, `start`, `end`, `low_hz`,
    `high_hz`, `power_db`), or windows, as `--windows` does (`segment`, `start_ns`, `kind`, `shown`).
    The first line decides; more keys may stand there.

    Raises BadInput, naming the line, for what is no such object. A file without a line is a band in which
    nothing was sent.
    """
    emissions: list[Emission] = []
    kinds: dict[int, dict[int, Truth]] = {}
    of_windows: bool | None = None
    for where, found in _objects(path):
        if of_windows is None:
            of_windows = "segment" in found
        if of_windows:
            segment, start_ns, truth = _window(where, found)
            kinds.setdefault(segment, {})[start_ns] = truth
        else:
            emissions.append(_emission(where, found))
    return WindowKinds(kinds) if of_windows else Emissions(emissions)


class WindowKinds:
    """What windows show, by segment and start: no other windows have a truth."""

    def __init__(self, kinds: Mapping[int, Mapping[int, Truth]]) -> None:
        self._starts: dict[int, Int64] = {
            segment: np.array(sorted(found), dtype=np.int64) for segment, found in kinds.items()
        }
        self._truths = {
            segment: [found[start] for start in sorted(found)] for segment, found in kinds.items()
        }

    def truth_of(self, window: Window) -> Truth | None:
        """That of the window of this segment that starts within half a row of this one."""
        starts = self._starts.get(window.segment)
        if starts is None:
            return None
        after = int(np.searchsorted(starts, window.start_ns))
        near = [place for place in (after - 1, after) if 0 <= place < len(starts)]
        place = min(near, key=lambda place: abs(int(starts[place]) - window.start_ns))
        half_a_row_ns = (window.end_ns - window.start_ns) / WINDOW_ROWS / 2
        if abs(int(starts[place]) - window.start_ns) > half_a_row_ns:
            return None
        return self._truths[window.segment][place]


class Emissions:
    """Emissions in the order of their starts, and what a window shows of them by `window_truth.py`."""

    def __init__(self, emissions: Sequence[Emission]) -> None:
        self.emissions = sorted(emissions, key=lambda emission: emission.start_ns)
        self._longest_ns = max((each.end_ns - each.start_ns for each in self.emissions), default=0)

    def truth_of(self, window: Window) -> Truth:
        """What a window shows. Looks only at emissions that begin late enough to reach it: days cost no
        more than minutes."""

        def start(emission: Emission) -> int:
            return emission.start_ns

        first = bisect_left(self.emissions, window.start_ns - self._longest_ns, key=start)
        after = bisect_left(self.emissions, window.end_ns, key=start)
        return truth_of(window, self.emissions[first:after])


def _objects(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each line's object, and where it stands."""
    try:
        with path.open(encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                where = f"--truth {path}: line {number}"
                if not line.strip():
                    continue
                try:
                    found: Any = json.loads(line)
                except ValueError as error:
                    raise BadInput(f"{where}: is not JSON: {error}") from None
                if not isinstance(found, dict):
                    raise BadInput(f"{where}: a {type(found).__name__}; limit: an object")
                yield where, found
    except OSError as error:
        raise BadInput(f"--truth {path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise BadInput(f"--truth {path}: byte {error.start} is not UTF-8") from None


def _window(where: str, found: dict[str, Any]) -> tuple[int, int, Truth]:
    for key in ("segment", "start_ns"):
        value = found.get(key)
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**63:
            raise BadInput(f"{where}: {key} is {value!r}; limit: a whole number from 0")
    kind, shown = found.get("kind"), found.get("shown")
    if not isinstance(kind, str) or not kind:
        raise BadInput(f"{where}: kind is {kind!r}; limit: a text")
    if not isinstance(shown, list) or not all(isinstance(each, str) for each in shown):
        raise BadInput(f"{where}: shown is {shown!r}; limit: a list of texts")
    return found["segment"], found["start_ns"], Truth(frozenset(shown), kind)


def _emission(where: str, found: dict[str, Any]) -> Emission:
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
