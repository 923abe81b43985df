"""What the store costs: compaction of the journal, the merge of a day, reading back; in CPU seconds.

    python benchmarks/store.py --bins 1024 --rows 40000

Rows of noise, 8 a second, as white as a receiver's: real bands compress better. A thread that wants to
wake up every 2 ms says how late the interpreter lets it, which is what the labelling thread feels.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import threading
import time
from pathlib import Path

import numpy as np

from bandwatch.pipeline.frames import PsdFrame
from bandwatch.pipeline.journal import segments
from bandwatch.pipeline.store import Store

SECOND = 1_000_000_000
DAY = 86_400 * SECOND
START_NS = 20_500 * DAY


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bins", type=int, default=1024)
    parser.add_argument("--rows", type=int, default=40_000)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        measure(Path(folder), arguments.bins, arguments.rows)


def measure(directory: Path, bins: int, rows: int) -> None:
    now_ns = [START_NS]
    store = Store(
        directory,
        most_bytes=10**11,
        most_days=1000,
        keep_free_bytes=0,
        told=print,
        utc_ns=lambda: now_ns[0],
    )
    noise = np.random.default_rng(0)

    def row(seq: int, time_ns: int) -> PsdFrame:
        power_db = -100 + noise.standard_normal(bins, np.float32)
        return PsdFrame("n", "b", 7, seq, time_ns, SECOND // 8, 868e6, 1e3, power_db, "dBm/bin")

    for first in range(0, rows, 50):
        batch = [row(seq, START_NS + seq * SECOND // 8) for seq in range(first, first + 50)]
        store.journal.append(first, batch)
    store.journal.rotate()
    journal = segments(directory / "journal")
    journal_bytes = sum(each.size_bytes for each in journal)
    print(f"journal: {rows} rows of {bins} bins, {journal_bytes / 1e6:.0f} MB in {len(journal)} segments")
    idle = list[float]()
    done = threading.Event()
    threading.Timer(2, done.set).start()
    watch(idle, done)
    print(f"a thread on this machine as it is: {lateness(idle)}")
    before_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    tell("compaction", store, rows, before_kib)
    print(f"stored: {store.bytes / 1e6:.0f} MB")
    later = row(rows, START_NS + DAY)  # only once there is something later is a day merged
    store.journal.append(rows, [later])
    store.journal.rotate()
    now_ns[0] = START_NS + 2 * DAY
    tell("merge", store, rows, before_kib)
    began = time.process_time()
    count = sum(1 for _ in store.last_rows("n", "b", rows // 2))
    print(f"reading back: {(time.process_time() - began) / count * 1e6:.0f} us a row")
    store.close()


def tell(what: str, store: Store, rows: int, before_kib: int) -> None:
    late: list[float] = []
    done = threading.Event()
    watcher = threading.Thread(target=watch, args=(late, done))
    watcher.start()
    longest, calls, began, more = 0.0, 0, time.process_time(), True
    while more:
        call = time.perf_counter()
        more = store.tidy(2**62)
        longest, calls = max(longest, time.perf_counter() - call), calls + 1
    seconds = time.process_time() - began
    done.set()
    watcher.join()
    more_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kib
    print(
        f"{what}: {seconds:.2f} s of CPU, {seconds / rows * 1e6:.0f} us a row; {calls} calls, the longest"
        f" {longest:.2f} s; {more_kib / 1024:.0f} MiB more at most, now {resident_mib():.0f} MiB;"
        f" another thread: {lateness(late)}"
    )


def lateness(late: list[float]) -> str:
    return f"late by {np.percentile(late, 99) * 1e3:.0f} ms (p99), {max(late) * 1e3:.0f} ms at most"


def resident_mib() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


def watch(late: list[float], done: threading.Event) -> None:
    while not done.is_set():
        began = time.perf_counter()
        time.sleep(0.002)
        late.append(time.perf_counter() - began - 0.002)


if __name__ == "__main__":
    main()
