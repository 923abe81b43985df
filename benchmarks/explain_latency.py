"""What a live refresh of the explanations costs the frames: latencies with and without, side by side.

    .venv/bin/python benchmarks/explain_latency.py [--rate 40] [--seconds 20] [--rounds 4] [--of forecasts]

Two agents as they ship, side by side, hear the same rows of 1024 bins from one publisher through TCP: one
with explanations, one without. In turn, for `--seconds` each, the first is asked for one refresh after
another (for longer where not one is done by then), and then for none; both have their latencies (from a
row's end to its verdict) taken from `/metrics`. What counts is the p99 of a refreshing agent against its own
without, and against the other's in the same seconds. Quantiles are interpolated within the histogram's
buckets: finer differences are not seen.

A request is for both kinds, clusters and forecast maps, one process after the other; `--of` says which kind
must have been made in each half, and is counted. For forecasts steps are of a second, so that there are some,
and reservoirs have 64 windows: too few to explain 24 clusters from, so that it is maps one after another.
"""

from __future__ import annotations

import argparse
import json
import math
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from dataclasses import replace
from itertools import islice
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from bandwatch.pipeline.publisher import Publisher
from bandwatch.pipeline.simulator import Simulator

NODE, BAND = "simulated", "srd-868"
NS_PER_S = 1_000_000_000
PATIENCE_SECONDS = 600.0
FEW_WINDOWS = 64
SETTINGS = """
node: {{name: agent}}
bands:
  - name: {band}
    source: {{kind: stream, node: {node}, endpoint: "{endpoint}"}}
    history: {{step_seconds: {step_seconds}}}
explain: {{enabled: {explained}, period_seconds: 86400, most_windows: {most_windows}}}
forecast: {{refit_hours: {refit_hours}}}
store: {{directory: {directory}, keep_free_bytes: 0}}
server: {{port: {port}}}
logging: {{level: error}}
"""

Counts = dict[float, float]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rate", type=float, default=40.0, help="rows a second")
    parser.add_argument("--seconds", type=float, default=20.0, help="of each half of a round")
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--windows", type=int, default=1024, help="in the reservoir before it begins")
    parser.add_argument("--of", choices=sorted(_MADE), default="clusters")
    parser.add_argument("--steps", type=int, default=90, help="of a second, before it begins with forecasts")
    parser.add_argument("--refit-hours", type=float, default=0, help="of the default forecaster; 0: none")
    parser.add_argument("--publish", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.publish:
        _publish(options.publish, options.rate)
        return
    scratch = Path(tempfile.mkdtemp())
    endpoint = f"tcp://127.0.0.1:{_free_port()}"
    agents = {name: _Agent(scratch / name, endpoint, name == "explained", options) for name in _NAMES}
    command = [sys.executable, __file__, "--publish", endpoint, "--rate", str(options.rate)]
    publisher = subprocess.Popen(command)
    try:
        for agent in agents.values():
            agent.wait_for_rows()
        if options.of == "forecasts":
            agents["explained"].wait_for_windows(FEW_WINDOWS)
            time.sleep(options.steps)
        else:
            agents["explained"].wait_for_windows(options.windows)
        _measure(agents, options.seconds, options.rounds)
    finally:
        for process in (publisher, *(agent.process for agent in agents.values())):
            process.send_signal(signal.SIGTERM)
            process.wait(30)
        shutil.rmtree(scratch)


_NAMES = ("explained", "beside")
_MADE = {"clusters": "bandwatch_explanations_made_total", "forecasts": "bandwatch_forecast_maps_made_total"}
_JOBS = ("explain", "explain/forecasts")


class _Agent:
    def __init__(self, folder: Path, endpoint: str, explained: bool, options: argparse.Namespace) -> None:
        folder.mkdir(parents=True)
        self._made = _MADE[options.of]
        self.folder, self.port = folder, _free_port()
        settings = folder / "settings.yaml"
        settings.write_text(
            SETTINGS.format(
                band=BAND,
                node=NODE,
                endpoint=endpoint,
                explained=str(explained).lower(),
                step_seconds=1 if options.of == "forecasts" else 60,
                most_windows=FEW_WINDOWS if options.of == "forecasts" else 2048,
                refit_hours=options.refit_hours,
                directory=folder,
                port=self.port,
            )
        )
        self.process = subprocess.Popen([sys.executable, "-m", "bandwatch", "run", "-c", settings])

    def wait_for_rows(self) -> None:
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            try:
                if self.latencies():
                    return
            except OSError:
                pass
            time.sleep(0.2)
        raise SystemExit("no verdict in two minutes")

    def wait_for_windows(self, count: int) -> None:
        while self._sum("bandwatch_explanation_windows") < count:
            time.sleep(0.5)

    def latencies(self) -> Counts:
        """Verdicts so far that came within each of the buckets' seconds."""
        return {
            float(labels["le"]): value
            for name, labels, value in self._samples()
            if name == "bandwatch_frame_latency_seconds_bucket"
        }

    def made(self) -> float:
        return self._sum(self._made)

    def forecasters(self) -> list[str]:
        """Which the newest maps are of."""
        with urllib.request.urlopen(
            f"http://127.0.0.1:{self.port}/api/v1/explanations", timeout=30
        ) as answer:
            return [each["model"] for each in json.load(answer)["forecast_maps"]]

    def is_at_work(self) -> bool:
        return any(list((self.folder / each).glob(".job-*")) for each in _JOBS)

    def ask(self) -> None:
        (self.folder / "explain").mkdir(exist_ok=True)
        (self.folder / "explain" / "refresh").touch()

    def _sum(self, name: str) -> float:
        return sum(value for found, _, value in self._samples() if found == name)

    def _samples(self) -> list[tuple[str, dict[str, str], float]]:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=30) as answer:
            text = answer.read().decode()
        families = text_string_to_metric_families(text)
        return [(each.name, each.labels, each.value) for family in families for each in family.samples]


def _measure(agents: dict[str, _Agent], seconds: float, rounds: int) -> None:
    totals: dict[tuple[str, bool], Counts] = {}
    made = 0.0
    for _ in range(rounds):
        for refreshing in (True, False):
            before = {name: agent.latencies() for name, agent in agents.items()}
            made_before, ends = agents["explained"].made(), time.monotonic() + seconds
            patience_ends = ends + PATIENCE_SECONDS
            while time.monotonic() < ends:
                if refreshing:
                    agents["explained"].ask()
                    if agents["explained"].made() == made_before and time.monotonic() < patience_ends:
                        ends = max(ends, time.monotonic() + 1.0)
                time.sleep(0.5)
            for name, agent in agents.items():
                more = {edge: count - before[name][edge] for edge, count in agent.latencies().items()}
                known = totals.setdefault((name, refreshing), dict.fromkeys(more, 0.0))
                totals[name, refreshing] = {edge: known[edge] + count for edge, count in more.items()}
            if refreshing:
                _wait_for_the_worker(agents["explained"])
                made += agents["explained"].made() - made_before
    print("forecast maps of", *agents["explained"].forecasters())
    print(f"{made:.0f} refreshes; latencies in ms: half, nine in ten, 99 in 100 are below")
    for (name, refreshing), counts in sorted(totals.items()):
        quantiles = [f"{1000 * _quantile(share, counts):8.1f}" for share in (0.5, 0.9, 0.99)]
        print(f"{name:10} {'while refreshing' if refreshing else 'without':17}", *quantiles)
    own = _quantile(0.99, totals["explained", True]) / _quantile(0.99, totals["explained", False])
    other = _quantile(0.99, totals["explained", True]) / _quantile(0.99, totals["beside", True])
    print(f"p99 of the refreshing agent: {own:.2f} times its own without, {other:.2f} times the other's")


def _wait_for_the_worker(agent: _Agent) -> None:
    """Until nobody is at work any more: the half without begins then."""
    deadline = time.monotonic() + 300
    while agent.is_at_work() and time.monotonic() < deadline:
        time.sleep(0.2)


def _quantile(share: float, counts: Counts) -> float:
    """Seconds, interpolated within a bucket; the last finite edge where it lies beyond."""
    wanted = share * counts[math.inf]
    below_edge, below = 0.0, 0.0
    for edge, count in sorted(counts.items()):
        if count >= wanted and math.isfinite(edge):
            return below_edge + (edge - below_edge) * (wanted - below) / max(count - below, 1e-9)
        if math.isfinite(edge):
            below_edge, below = edge, count
    return below_edge


def _publish(endpoint: str, rate: float) -> None:
    """Rows as if they were of now, until SIGTERM."""
    rows = list(islice(Simulator(11).frames(), 8192))
    duration_ns = round(NS_PER_S / rate)
    with Publisher(endpoint) as publisher:
        begun, seq = time.monotonic(), 0
        while True:
            while seq < (time.monotonic() - begun) * rate:
                now = {"seq": seq, "time_ns": time.time_ns() - duration_ns, "duration_ns": duration_ns}
                publisher.send(replace(rows[seq % len(rows)], node=NODE, band=BAND, **now))
                seq += 1
            time.sleep(0.001)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


if __name__ == "__main__":
    main()
