"""What a soak publishes, and the file in which its publisher says so: both survive kill -9.

Every row follows from its stream and its number alone, so that a reader can make it again and compare it to
the bit. A truth folder holds `streams.jsonl`, one line a stream before its first row, and a file a stream of
16 bytes a row, written before the row is sent: its number and the moment, CLOCK_MONOTONIC in ns.
"""

from __future__ import annotations

import json
import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bandwatch.pipeline.frames import NS_PER_S, PsdFrame, read_only

RECORD = np.dtype([("seq", "<i8"), ("monotonic_ns", "<i8")])
FLOOR_DB = -100.0
CARRIER_DB = 30.0
# One row in so many is not finite: a loss of one row with the reason `source`.
BAD_ROW_EVERY = 1009


@dataclass(frozen=True, slots=True)
class BandPlan:
    """A band: rows that last `row_seconds` by their own stamps, sent `rows_per_second` by the clock."""

    name: str
    bins: int
    row_seconds: float
    rows_per_second: float
    bad_row_every: int = BAD_ROW_EVERY  # 0: never

    @property
    def duration_ns(self) -> int:
        return round(self.row_seconds * NS_PER_S)


@dataclass(frozen=True, slots=True)
class Stream:
    """One life of a band's publisher."""

    node: str
    band: str
    stream: int
    start_ns: int
    duration_ns: int
    bins: int
    bad_row_every: int = BAD_ROW_EVERY

    def row(self, seq: int) -> PsdFrame:
        """Row `seq`, bit for bit what was published."""
        return PsdFrame(
            node=self.node,
            band=self.band,
            stream=self.stream,
            seq=seq,
            time_ns=self.start_ns + seq * self.duration_ns,
            duration_ns=self.duration_ns,
            center_hz=868e6,
            bin_hz=1e3,
            power_db=read_only(self._power_db(seq)),
            unit="dBFS/bin",
        )

    def _power_db(self, seq: int) -> NDArray[np.float32]:
        """Noise, and a carrier that comes and goes; float32 [bins]."""
        noise = np.random.Generator(np.random.Philox(key=[self.stream, seq]))
        values = noise.standard_normal(self.bins, dtype=np.float32) * np.float32(3) + np.float32(FLOOR_DB)
        if seq // 200 % 3 == 0:
            values[self.bins // 4 : self.bins // 4 + 4] += np.float32(CARRIER_DB)
        if self.bad_row_every and seq % self.bad_row_every == self.bad_row_every // 2:
            values[0] = np.nan
        return values


class TruthWriter:
    """The publisher's side: of one stream."""

    def __init__(self, folder: Path, stream: Stream) -> None:
        with (folder / "streams.jsonl").open("a") as lines:
            lines.write(json.dumps(asdict(stream)) + "\n")
        self._file = os.open(_path(folder, stream.stream), os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def sending(self, seq: int) -> None:
        """Row `seq` is sent next."""
        os.write(self._file, np.array((seq, time.monotonic_ns()), RECORD).tobytes())


class Truth:
    """The reader's side, also while the publisher lives."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def streams(self) -> list[Stream]:
        """Every stream that began, oldest first."""
        path = self._folder / "streams.jsonl"
        return [Stream(**json.loads(line)) for line in path.read_text().splitlines()] if path.exists() else []

    def last_seq(self, stream: int) -> int:
        """Number of the last row that was at least about to be sent; -1 before the first."""
        path = _path(self._folder, stream)
        return path.stat().st_size // RECORD.itemsize - 1 if path.exists() else -1

    def sent_ns(self, stream: int) -> NDArray[np.int64]:
        """When each row was sent, CLOCK_MONOTONIC in ns, int64 [rows]."""
        path = _path(self._folder, stream)
        records = np.fromfile(path, RECORD, count=path.stat().st_size // RECORD.itemsize)
        if not np.array_equal(records["seq"], np.arange(len(records))):
            raise AssertionError(f"{path}: the publisher did not count its rows one by one")
        return records["monotonic_ns"]


def _path(folder: Path, stream: int) -> Path:
    return folder / f"{stream}.rows"
