"""What a journal costs: bytes beyond the values, and microseconds to append and to read a row.

    .venv/bin/python benchmarks/journal_cost.py [--dir /tmp] [--megabytes 20]

One thread, files in the page cache, no flush: the processor's share. Best of three.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from bandwatch.pipeline.frames import PsdFrame
from bandwatch.pipeline.journal import Journal, Note, read_segment, segments

ROW = PsdFrame(
    node="lake-house",
    band="uhf-tv",
    stream=2**63,
    seq=0,
    time_ns=1_800_000_000_000_000_000,
    duration_ns=100_000_000,
    center_hz=650e6,
    bin_hz=1953.125,
    power_db=np.zeros(2, np.float32),
    unit="dBFS/bin",
    gain_db=30.0,
)


def measure(folder: Path, bins: int, rows: int, megabytes: float) -> tuple[float, float, float]:
    """Bytes a batch beyond its values; microseconds a row to append, and to read."""
    values = np.random.default_rng(1).normal(-90, 5, bins).astype(np.float32)
    batch = [replace(ROW, seq=seq, power_db=values) for seq in range(rows)]
    batches = max(50, int(megabytes * 1e6 / (rows * (4 * bins + 200) + 1200)))
    journal = Journal(folder, segment_bytes=2**40)
    start = time.perf_counter()
    for each in range(batches):
        journal.append(each * rows, batch)
    append_s = time.perf_counter() - start
    journal.close()
    (segment,) = segments(folder)
    start = time.perf_counter()
    read = sum(1 for _ in read_segment(segment, print))
    read_s = time.perf_counter() - start
    assert read == rows * batches
    return segment.size_bytes / batches - 4 * bins * rows, append_s / read * 1e6, read_s / read * 1e6


def note_bytes(folder: Path) -> float:
    note = Note(
        "lake-house", "uhf-tv", ROW.time_ns, "verdict", {"segment": 3, "state": "novel", "score": 0.93}
    )
    with_it, without = Journal(folder / "with"), Journal(folder / "without")
    with_it.append(0, [ROW, note])
    without.append(0, [ROW])
    with_it.close()
    without.close()
    return segments(folder / "with")[0].size_bytes - segments(folder / "without")[0].size_bytes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--dir", type=Path, default=Path(tempfile.gettempdir()))
    parser.add_argument("--megabytes", type=float, default=20)
    options = parser.parse_args()
    print("bins  rows/batch  bytes/batch beyond values  bytes/row  append us/row  read us/row")
    for bins in (40, 1024):
        for rows in (1, 5, 50):
            best: list[tuple[float, float, float]] = []
            for _ in range(3):
                with tempfile.TemporaryDirectory(dir=options.dir) as name:
                    best.append(measure(Path(name), bins, rows, options.megabytes))
            beyond, append_us, read_us = (min(column) for column in zip(*best, strict=True))
            size = 4 * bins + beyond / rows
            print(f"{bins:4d}  {rows:10d}  {beyond:25.0f}  {size:9.0f}  {append_us:13.1f}  {read_us:11.1f}")
    with tempfile.TemporaryDirectory(dir=options.dir) as name:
        print(f"a verdict more in a batch: {note_bytes(Path(name)):.0f} bytes")


if __name__ == "__main__":
    main()
