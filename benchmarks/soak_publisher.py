"""The publisher of a soak, a process of its own: bands at their rates, told what to do by lines on stdin.

    python -m bandwatch.benchmarks.soak_publisher ENDPOINT TRUTH_FOLDER PLAN_JSON

`pause`, `resume`, `burst BAND ROWS` (as fast as it can) and `end`. Each is answered by one line on stdout
when it is done. Rows that are late, because the process was stopped, are sent at once, a second's worth.
"""

from __future__ import annotations

import json
import queue
import secrets
import sys
import threading
import time
from collections.abc import Iterable
from pathlib import Path

from bandwatch.benchmarks.soak_truth import BandPlan, Stream, Truth, TruthWriter
from bandwatch.pipeline.frames import NS_PER_S
from bandwatch.pipeline.publisher import Publisher

NODE = "soak"
# Between two lives of a publisher this much time passes by the stamps of its rows.
PAUSE_SECONDS = 5.0


class Source:
    """One band: its stream, its truth, and when its next row is due."""

    def __init__(self, plan: BandPlan, start_ns: int, folder: Path) -> None:
        self.plan = plan
        self._stream = Stream(
            NODE,
            plan.name,
            secrets.randbits(62),
            start_ns,
            plan.duration_ns,
            plan.bins,
            plan.bad_row_every,
        )
        self._truth = TruthWriter(folder, self._stream)
        self._seq = 0
        self.due = time.monotonic()

    def send(self, publisher: Publisher) -> None:
        self._truth.sending(self._seq)
        publisher.send(self._stream.row(self._seq))
        self._seq += 1


def start_of(plan: BandPlan, folder: Path, now_ns: int) -> int:
    """After the end of the band's stream before, where there was one."""
    truth = Truth(folder)
    ends = [
        stream.start_ns + (truth.last_seq(stream.stream) + 1) * stream.duration_ns
        for stream in truth.streams()
        if stream.band == plan.name
    ]
    return max(ends) + round(PAUSE_SECONDS * NS_PER_S) if ends else now_ns


def publish(endpoint: str, folder: Path, plans: Iterable[BandPlan], start_ns: int) -> None:
    """Until `end` or the end of stdin."""
    commands: queue.Queue[list[str]] = queue.Queue()
    threading.Thread(target=_read, args=(commands,), daemon=True).start()
    # Few messages wait in it, so that a slow reader loses rows on the way, too.
    with Publisher(endpoint, high_water=100) as publisher:
        sources = {plan.name: Source(plan, start_of(plan, folder, start_ns), folder) for plan in plans}
        print("publishing", flush=True)
        paused = False
        while True:
            due = min(source.due for source in sources.values())
            try:
                command = commands.get(timeout=None if paused else max(0.0, due - time.monotonic()))
            except queue.Empty:
                for source in sources.values():
                    if source.due <= time.monotonic():
                        source.send(publisher)
                        source.due = max(source.due, time.monotonic() - 1) + 1 / source.plan.rows_per_second
                continue
            match command:
                case ["pause"]:
                    paused = True
                case ["resume"]:
                    paused = False
                    for source in sources.values():
                        source.due = time.monotonic()
                case ["burst", band, rows]:
                    for _ in range(int(rows)):
                        sources[band].send(publisher)
                case ["end"]:
                    break
                case _:
                    raise ValueError(f"unknown command {command}")
            print("done", *command, flush=True)
        publisher.end()
    print("done end", flush=True)


def _read(commands: queue.Queue[list[str]]) -> None:
    for line in sys.stdin:
        commands.put(line.split())
    commands.put(["end"])


if __name__ == "__main__":
    _endpoint, _folder, _plans, _start_ns = sys.argv[1:]
    publish(_endpoint, Path(_folder), [BandPlan(**plan) for plan in json.loads(_plans)], int(_start_ns))
