"""`.dat` of NIST's spectrum occupancy sensors: `Data` messages with rows of power after each."""

from __future__ import annotations

import dataclasses
import itertools
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import BadInput
from ..frames import Gap, PsdFrame
from ..limits import LATEST_DAY, LATEST_NS, as_name
from ..sidecar import Sidecar
from ..step_median import StepMedian
from ..timed_rows import TimedRows, timed_frames
from .matrix import rows_at_once
from .nist_acquisition import Acquisition, Axes, acquisition, after_calibration, text_block
from .nist_messages import message_at, next_message, numeric
from .nist_notes import notes_of, text_of
from .reader import Format, Identity, Opening, RowFacts

MOST_TOLD = 20
MOST_AXES = 1000
MOST_ENDS = 4096
_HEAD = re.compile(rb'[\r\n ]*\d{1,7}[\r\n ]+\{\s*"')


@dataclass(frozen=True, slots=True)
class _Rows:
    """Rows of one acquisition with their starts; without power on a pass that only counts."""

    axes: Axes
    starts_ns: range
    power: Any = None


class NistDat:
    """FrameReader of a `.dat`: rows as wide as most are; others are left out, with a `Gap` in their place.

    Opening looks for messages in the whole file: a stream (`nM` of -1) says of no row where it ends. What
    is no message, and rows that are cut, are left out and told. Another frequency shows in the rows.
    Memory: a block of rows, or a block of text.
    """

    def __init__(self, path: Path, sidecar: Sidecar) -> None:
        self._path = path
        self._sidecar = sidecar
        self._problems: list[str] = []
        self._untold = 0
        self._ends: dict[int, int] = {}
        self._shift_ns: int | None = None
        self._said: dict[str, dict[str, Any]] = {}
        self._overloads = 0
        self.facts = self._counted()

    def frames(self, identity: Identity, chunk_rows: int, from_ns: int | None) -> Iterator[PsdFrame | Gap]:
        del from_ns  # rows are read fast: what comes too early is left out by who asked
        first, left_out, last_ns = 0, 0, None
        for axes, pieces in itertools.groupby(self._rows(chunk_rows), key=lambda piece: piece.axes):
            if _width(axes) != (self.facts.bins, self.facts.bin_hz):
                left_out += sum(len(piece.starts_ns) for piece in pieces)
                continue
            if left_out and last_ns is not None:
                yield Gap(identity.node, identity.band, first - 1, left_out, None, "retuned", last_ns)
            left_out = 0
            facts = dataclasses.replace(self.facts, first_hz=axes.first_hz)
            for item in timed_frames(facts, identity, _timed(first, pieces)):
                if isinstance(item, PsdFrame):
                    if item.seq >= self.facts.rows:
                        return  # written since it was opened: the row count stands
                    first, last_ns = item.seq + 1, item.end_ns
                yield item
        if first < self.facts.rows:
            raise BadInput(f"{self._path}: {first} rows, {self.facts.rows} when it was opened")

    def _counted(self) -> RowFacts:
        """One pass over the file without its values."""
        rows: Counter[tuple[int, float]] = Counter()
        lowest: dict[tuple[int, float], Axes] = {}
        inner_steps: Counter[int] = Counter()
        starts = StepMedian()
        bounds: dict[tuple[int, float], tuple[int, int]] = {}
        before: dict[tuple[int, float], Axes] = {}
        retuned: Counter[tuple[int, float]] = Counter()
        for piece in self._rows(None):
            width = _width(piece.axes)
            if len(rows) >= MOST_AXES and width not in rows:
                raise BadInput(f"{self._path}: more than {MOST_AXES} widths of bins; limit: {MOST_AXES}")
            rows[width] += len(piece.starts_ns)
            lowest.setdefault(width, piece.axes)
            retuned[width] += before.get(width, piece.axes) != piece.axes
            before[width] = piece.axes
            if len(inner_steps) < MOST_AXES or piece.starts_ns.step in inner_steps:
                inner_steps[piece.starts_ns.step] += len(piece.starts_ns) - 1
            starts.add(piece.starts_ns[0])
            earliest, latest = bounds.get(width, (piece.starts_ns[0], piece.starts_ns[-1]))
            bounds[width] = min(earliest, piece.starts_ns[0]), max(latest, piece.starts_ns[-1])
        if not rows:
            why = self._problems[0] if self._problems else "no Data message"
            raise BadInput(f"{self._path}: holds no row of power: {why}; limit: at least 1 row")
        (width, count), *_ = rows.most_common(1)
        others = rows.total() - count
        if others:
            self._tell(f"{others} rows of {len(rows) - 1} other widths of bins are left out")
        if retuned[width]:
            times = retuned[width]
            self._tell(
                f"retuned {times} times: no window spans one; the frequencies told are those of the start"
            )
        (step_ns, inner), *_ = inner_steps.most_common(1)
        between_ns = starts.median_ns
        if not inner and between_ns is not None and between_ns > 0:
            step_ns = between_ns
        earliest, latest = bounds[width]
        return RowFacts(
            format="nist_dat",
            value_type=str(self._said["Data"].get("DataType"))[:40],
            rows=count,
            bins=width[0],
            first_hz=lowest[width].first_hz,
            bin_hz=width[1],
            unit=self._sidecar.unit or "dBm/bin",
            step_ns=step_ns,
            start_ns=earliest,
            end_ns=latest + step_ns,
            node=self._sidecar.node or as_name(text_of(self._said["Data"].get("SensorID"))) or None,
            band=self._sidecar.band,
            problems=tuple(self._all_problems()),
            notes=tuple(notes_of(self._said)),
        )

    def _all_problems(self) -> Iterator[str]:
        yield from self._problems
        if self._untold:
            yield f"{self._untold} more like these"
        if self._overloads:
            yield f"{self._overloads} Data messages have the overload flag set"

    def _rows(self, chunk_rows: int | None) -> Iterator[_Rows]:
        """Rows in the order they stand, `chunk_rows` at a time; None: no values, problems are noted."""
        with self._path.open("rb") as stream:
            for found in self._acquisitions(stream, noting=chunk_rows is None):
                assert found.rows is not None
                last_ns = found.time_ns + found.rows * found.step_ns
                starts_ns = range(found.time_ns, last_ns, found.step_ns)
                if chunk_rows is None:
                    yield _Rows(found.axes, starts_ns)
                else:
                    yield from self._powers(stream, found, starts_ns, chunk_rows)

    def _powers(
        self, stream: BufferedReader, found: Acquisition, starts_ns: range, chunk_rows: int
    ) -> Iterator[_Rows]:
        at, bins = found.message.data_at, found.axes.bins
        texts = text_block(stream, at)[1] if found.dtype is None else np.empty(0)
        at_once = rows_at_once(chunk_rows, bins, texts.dtype if found.dtype is None else found.dtype)
        for first in range(0, len(starts_ns), at_once):
            piece_ns = starts_ns[first : first + at_once]
            count = len(piece_ns)
            if found.dtype is None:
                values = texts[first * bins : (first + count) * bins]
            else:
                stream.seek(at + first * found.row_bytes)
                raw = stream.read(count * found.row_bytes)
                if len(raw) < count * found.row_bytes:
                    raise BadInput(f"{self._path}: shorter than when it was opened")
                values = np.frombuffer(raw, dtype=found.dtype)
            yield _Rows(found.axes, piece_ns, values.reshape(count, bins))

    def _acquisitions(self, stream: BufferedReader, noting: bool) -> Iterator[Acquisition]:
        size = stream.seek(0, 2)
        at = 0
        while at < size:
            message = message_at(stream, at)
            if message is None:
                message = next_message(stream, at)
                until = size if message is None else message.at
                stream.seek(at)
                if noting and stream.read(min(until - at, 64)).strip():
                    self._tell(f"byte {at}: {until - at} bytes are no message and left out")
                if message is None:
                    return
            at = message.data_at
            if noting and message.kind in ("Loc", "Sys", "Data"):
                self._said.setdefault(message.kind, message.fields)
            try:
                if message.kind == "Sys":
                    at = min(size, after_calibration(stream, message))
                if message.kind == "Data":
                    at, found = self._bounded(
                        stream, acquisition(message, self._sidecar.step_ns), size, noting
                    )
                    if found.rows:
                        yield found
            except BadInput as error:
                if noting:
                    self._tell(f"message at byte {message.at}: {error}")

    def _bounded(
        self, stream: BufferedReader, found: Acquisition, size: int, noting: bool
    ) -> tuple[int, Acquisition]:
        """Where the data block ends; the acquisition with the rows that are there and the sidecar's start."""
        at = found.message.data_at
        if found.dtype is None:
            end, values = text_block(stream, at)
            rows, rest = divmod(len(values), found.axes.bins)
        else:
            end = self._end_of_block(stream, found, size)
            rows, rest = divmod(end - at, found.row_bytes)
        if found.rows is not None:
            rows = min(rows, found.rows)
        if self._shift_ns is None:
            start_ns = self._sidecar.start_ns
            self._shift_ns = 0 if start_ns is None else start_ns - found.time_ns
        time_ns = found.time_ns + self._shift_ns
        if not 0 <= time_ns <= time_ns + rows * found.step_ns <= LATEST_NS:
            raise BadInput(f"t: its rows begin before 1970 or end after {LATEST_DAY}, the limit")
        if noting:
            self._overloads += bool(numeric(found.message.fields.get("OL")))
            if rows < (found.rows or 0) or rest:
                of = "" if found.rows is None else f" of {found.rows}"
                self._tell(f"message at byte {found.message.at}: {rows}{of} whole rows, then a part of one")
        return end, dataclasses.replace(found, rows=rows, time_ns=time_ns)

    def _end_of_block(self, stream: BufferedReader, found: Acquisition, size: int) -> int:
        """A stream, and a block that was cut, ends where the sensor connected anew and said who it is."""
        at = found.message.data_at
        if found.rows is not None:
            end = at + found.rows * found.row_bytes
            if end <= size and (end == size or message_at(stream, end) is not None):
                return end
        else:
            end = size
        if at not in self._ends:
            following = next_message(stream, at)
            if len(self._ends) < MOST_ENDS:
                self._ends[at] = size if following is None else following.at
            elif following is not None:
                return min(end, size, following.at)
        return min(end, size, self._ends.get(at, size))

    def _tell(self, problem: str) -> None:
        if len(self._problems) < MOST_TOLD:
            self._problems.append(problem)
        else:
            self._untold += 1


def _width(axes: Axes) -> tuple[int, float]:
    return axes.bins, axes.bin_hz


def _timed(first: int, pieces: Iterator[_Rows]) -> Iterator[TimedRows]:
    for piece in pieces:
        yield TimedRows(first, np.array(piece.starts_ns, dtype=np.int64), piece.power)
        first += len(piece.starts_ns)


def _matches(path: Path, head: bytes) -> bool:
    del path
    return _HEAD.match(head) is not None and b'"Type"' in head


def _open(path: Path, sidecar: Sidecar, opening: Opening) -> NistDat:
    del opening
    return NistDat(path, sidecar)


FORMAT = Format(
    name="nist_dat",
    suffixes=(".dat",),
    open=_open,
    matches=_matches,
    keys=("start", "step_seconds", "unit", "node", "band", "format"),
)
