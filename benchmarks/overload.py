"""What becomes of rows that come too fast: the stride rises first, then rows are dropped, all of it counted.

    .venv/bin/python benchmarks/overload.py [--rates 1000 2000 ...] [--seconds 15]

One band of 1024 bins from a process of its own through a TCP socket into `bandwatch run` as it ships, store
and server on. The offered rate is swept upward; at the end of each rate `/metrics` say what it brought. The
publisher takes its share of the same cores. `dropped` are rows that the agent's queue was too full for,
`lost` those that did not reach it (ZeroMQ's buffers were full), both as the agent counted them. `late` is a
verdict's age, from its row's end, of nine in ten.
"""

from __future__ import annotations

import argparse
import math
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from dataclasses import replace
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from bandwatch.pipeline.publisher import Publisher
from bandwatch.pipeline.simulator import Simulator

NODE, BAND = "bench", "swept"
WARM_UP_RATE, WARM_UP_SECONDS = 200.0, 15.0
HEADING = "offered/s   sent/s  received/s  stride  windows/s  passed over/s  dropped/s  lost/s   fill  late s"
NS_PER_S = 1_000_000_000

SETTINGS = """
node: {{name: agent}}
bands:
  - {{name: {band}, source: {{kind: stream, node: {node}, endpoint: "{endpoint}"}}}}
store: {{directory: {directory}, keep_free_bytes: 0}}
server: {{port: {port}}}
logging: {{level: error}}
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--rates", type=float, nargs="+", default=[300, 500, 1000, 1500, 2000, 3000, 4000, 6000]
    )
    parser.add_argument("--seconds", type=float, default=15.0)
    parser.add_argument("--publish", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.publish:
        _publish(options.publish, options.rates, options.seconds)
    else:
        _sweep(options.rates, options.seconds)


def _publish(endpoint: str, rates: list[float], seconds: float) -> None:
    """Rows at each rate in turn; a line with how many were sent at the end of each."""
    source = Simulator(seed=11).frames()
    rows = [next(source) for _ in range(4096)]
    seq = 0
    with Publisher(endpoint) as publisher:
        for rate, lasting in [(WARM_UP_RATE, WARM_UP_SECONDS), *((rate, seconds) for rate in rates)]:
            begun, first = time.monotonic(), seq
            duration_ns = round(NS_PER_S / rate)
            while (passed := time.monotonic() - begun) < lasting:
                while seq < first + passed * rate:
                    row = replace(
                        rows[seq % len(rows)],
                        node=NODE,
                        band=BAND,
                        seq=seq,
                        time_ns=time.time_ns() - duration_ns,
                        duration_ns=duration_ns,
                    )
                    publisher.send(row)
                    seq += 1
                time.sleep(0.001)
            print(seq - first, flush=True)


def _sweep(rates: list[float], seconds: float) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        port, endpoint = _free_port(), f"tcp://127.0.0.1:{_free_port()}"
        settings = Path(scratch, "overload.yaml")
        settings.write_text(
            SETTINGS.format(band=BAND, node=NODE, endpoint=endpoint, directory=scratch, port=port)
        )
        agent = subprocess.Popen(
            [sys.executable, "-m", "bandwatch", "run", "-c", settings],
            stdout=subprocess.DEVNULL,
        )
        arguments = ["--rates", *map(str, rates), "--seconds", str(seconds)]
        publisher: subprocess.Popen[str] | None = None
        try:
            _wait_for(port)
            publisher = subprocess.Popen(
                [sys.executable, __file__, "--publish", endpoint, *arguments],
                stdout=subprocess.PIPE,
                text=True,
            )
            assert publisher.stdout is not None
            publisher.stdout.readline()
            before = _metrics(port)
            print(HEADING)
            for rate in rates:
                sent = int(publisher.stdout.readline())
                now = _metrics(port)
                print(_line(rate, sent, seconds, before, now), flush=True)
                before = now
            time.sleep(3.0)
            settled = _metrics(port)
            print(f"3 s after: fill {settled['queue_fill_ratio']:.2f}, stride {settled['stride_rows']:.0f}")
        finally:
            for process in filter(None, (publisher, agent)):
                process.send_signal(signal.SIGTERM)
                process.wait(30)


def _line(rate: float, sent: int, seconds: float, before: dict[str, float], now: dict[str, float]) -> str:
    def each_second(name: str) -> float:
        return (now[name] - before.get(name, 0.0)) / seconds

    return (
        f"{rate:9.0f} {sent / seconds:8.0f} {each_second('frames_received_total'):11.0f}"
        f" {now['stride_rows']:7.0f} {each_second('windows_total'):10.0f}"
        f" {each_second('windows_shed_total'):14.0f} {each_second('frames_lost_total:overflow'):10.1f}"
        f" {each_second('frames_lost_total:lost'):7.1f}"
        f" {now['queue_fill_ratio']:6.2f} {_quantile(0.9, before, now):7}"
    )


def _quantile(share: float, before: dict[str, float], now: dict[str, float]) -> str:
    """The bucket of the latencies in which this share of them is reached."""
    prefix = "frame_latency_seconds_bucket:"
    counts = sorted(
        (float(name.removeprefix(prefix)), now[name] - before.get(name, 0.0))
        for name in now
        if name.startswith(prefix)
    )
    total = counts[-1][1] if counts else 0.0
    if not total:
        return "-"
    edge = next(edge for edge, count in counts if count >= share * total)
    return "> 30" if math.isinf(edge) else f"<= {edge:g}"


def _metrics(port: int) -> dict[str, float]:
    """The samples of the swept band (and those of none) by name and edge or reason."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30) as answer:
        text = answer.read().decode()
    values: dict[str, float] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.labels.get("band", BAND) == BAND:
                part = sample.labels.get("le", sample.labels.get("reason"))
                name = sample.name.removeprefix("bandwatch_") + (f":{part}" if part else "")
                values[name] = sample.value
    return values


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        try:
            _metrics(port)
        except OSError:
            time.sleep(0.2)
        else:
            return
    raise SystemExit("the agent does not answer")


if __name__ == "__main__":
    main()
