"""What every reader of recordings offers, and how a format is told from the others."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from zoneinfo import ZoneInfo

from ..frames import Gap, PowerUnit, PsdFrame
from ..psd_shape import PsdShape
from ..sidecar import Sidecar

HEAD_BYTES = 4096


@dataclass(frozen=True, slots=True)
class RowFacts:
    """What is known of a recording's rows once it is open; frequencies and step are those of most rows.

    `first_hz` is the centre of the lowest bin, `step_ns` the duration of a row, `start_ns` the start of
    the earliest row and `end_ns` the end of the latest. `node` and `band` are None where the file does
    not name them. `problems` are oddities that do not keep it from being read, a line each; `notes` are
    further facts, (name, value), for people.
    """

    format: str
    value_type: str
    rows: int
    bins: int
    first_hz: float
    bin_hz: float
    unit: PowerUnit
    step_ns: int
    start_ns: int
    end_ns: int
    node: str | None = None
    band: str | None = None
    problems: tuple[str, ...] = ()
    notes: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Identity:
    """Whose rows they are: the fields of a frame that the file's bytes do not decide."""

    node: str
    band: str
    stream: int


class FrameReader(Protocol):
    """PSD rows of one band in one file; nothing stays open between the passes over it."""

    facts: RowFacts

    def frames(self, identity: Identity, chunk_rows: int, from_ns: int | None) -> Iterator[PsdFrame | Gap]:
        """All rows in the order they stand, `seq` the row's index from 0, and gaps where rows are missing.

        About `chunk_rows` rows are read at a time, which changes nothing else. Rows that begin before
        `from_ns` may be left out, all of them or any first part: a reader that can seek does. Memory does
        not grow with the file. Rows with NaN or infinity come as they are. `BadInput` where the file turns
        out to be broken on the way, or changed since it was opened.
        """
        ...


@dataclass(frozen=True, slots=True)
class Opening:
    """What the caller decides about reading: nothing in it is a property of the file.

    `time_zone` is for formats that write local times without saying of where; the sidecar's `time_zone`
    goes before it. `spectrum` makes rows of IQ samples; None chooses (see `iq_rows.py`). `channel` counts
    from 0 in recordings of several.
    """

    time_zone: ZoneInfo | None = None
    spectrum: PsdShape | None = None
    channel: int = 0


@dataclass(frozen=True, slots=True)
class Format:
    """One file format: its name, how it is recognised and opened.

    A file is of this format when its name ends in one of `suffixes` (lower case, with the dot) and
    `matches(path, head)` says so, `head` being its first `HEAD_BYTES` bytes; without `matches` the suffix
    decides. The sidecar's `format: NAME` goes before both. `keys` are the sidecar's keys that mean
    something here, `required` those that must be there; `also` further names
    by which the sidecar may call it.
    """

    name: str
    suffixes: tuple[str, ...]
    open: Callable[[Path, Sidecar, Opening], FrameReader]
    matches: Callable[[Path, bytes], bool] | None = None
    keys: tuple[str, ...] = ()
    required: tuple[str, ...] = ()
    also: tuple[str, ...] = ()
