"""Rows a second of the whole agent, beside bare ONNX Runtime and the plain way, in one run.

    .venv/bin/python benchmarks/throughput.py [--rows 8192] [--rounds 5]

One simulated band of 1024 bins, stride 16. The whole agent: recording -> publisher -> ipc socket ->
subscriber -> continuity, floor, windows, encoder, PCA, k-means, novelty, steps, forecasts, verdicts ->
metrics, status board, records on disk, HTTP server on. Bare ONNX Runtime: the same windows, 8 at a time,
through the encoder alone. The plain way: torch eager on as many threads, scikit-learn's PCA.transform and
KMeans.predict. All three are timed from the first row on: loading is no throughput.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event

import numpy as np
import torch
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA

from bandwatch.agent.app import replay
from bandwatch.config.loader import load
from bandwatch.models.bundle import Bundle, shipped_bundle
from bandwatch.models.encoder import encoder_with
from bandwatch.models.encoder_weights import read_weights
from bandwatch.pipeline.frames import PsdFrame
from bandwatch.pipeline.noise_floor import NoiseFloor
from bandwatch.pipeline.simulator import Simulator
from bandwatch.pipeline.windows import Windower


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=8192)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--through", choices=("direct", "ipc", "tcp"), default="ipc")
    options = parser.parse_args()
    source = Simulator(seed=11).frames()
    frames = [next(source) for _ in range(options.rows)]
    threads = max(1, len(os.sched_getaffinity(0)) - 1)
    with tempfile.TemporaryDirectory() as scratch:
        bundle = Bundle.load(shipped_bundle(), device="cpu", cache_directory=Path(scratch))
        batches = _batches(frames)
        plain = _plain(bundle, batches, threads)
        ways: dict[str, Callable[[], float]] = {
            "whole agent": lambda: _agent(frames, options.through, Path(scratch)),
            "bare ONNX Runtime": lambda: _timed(lambda: _bare(bundle, batches)),
            "plain way": lambda: _timed(plain),
        }
        seconds: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(options.rounds):
            for name, way in ways.items():
                seconds[name].append(way())
    print(f"{options.rows} rows of 1024 bins, {sum(map(len, batches))} windows, {options.rounds} rounds")
    print(f"encoder {bundle.name} on {bundle.device}, {threads} thread(s), through {options.through}")
    for name, taken in seconds.items():
        rates = sorted(options.rows / s for s in taken)
        print(f"{name:20} {statistics.median(rates):8.0f} rows/s   ({rates[0]:.0f} to {rates[-1]:.0f})")
    for other, wanted in (("bare ONNX Runtime", 0.6), ("plain way", 1.0)):
        ratios = [o / a for a, o in zip(seconds["whole agent"], seconds[other], strict=True)]
        ratio = statistics.median(ratios)
        verdict = "met" if ratio >= wanted else "MISSED"
        print(f"whole agent / {other}: {ratio:.2f} (at least {wanted:g}: {verdict})")
    rate = options.rows / statistics.median(seconds["whole agent"])
    print(f"at least 100 rows/s: {'met' if rate >= 100 else 'MISSED'}")


def _batches(frames: list[PsdFrame]) -> list[np.ndarray]:
    """The windows that the agent cuts from these frames, one batch a moment, float32 [8, 128, 128]."""
    floor, windower = NoiseFloor(), Windower()
    moments = (windower.push(row) for frame in frames for row in floor.push(frame))
    return [np.stack([window.values for window in windows]) for windows in moments if windows]


def _timed(way: Callable[[], None]) -> float:
    begun = time.perf_counter()
    way()
    return time.perf_counter() - begun


def _agent(frames: list[PsdFrame], through: str, scratch: Path) -> float:
    """Seconds from the first row asked for to the last record written."""
    begun: list[float] = []

    def source() -> Iterator[PsdFrame]:
        begun.append(time.perf_counter())
        yield from frames

    environment = {
        "BANDWATCH__STORE__DIRECTORY": str(scratch),
        "BANDWATCH__SERVER__PORT": "0",
        "BANDWATCH__LOGGING__LEVEL": "error",
    }
    counted = replay(
        load(None, environment),
        source(),
        Event(),
        through=through,  # pyright: ignore[reportArgumentType]
        json_path=scratch / "records.jsonl",
        serve=True,
    )
    assert counted.summary()["rows"] == len(frames)
    return time.perf_counter() - begun[0]


def _bare(bundle: Bundle, batches: list[np.ndarray]) -> None:
    for windows in batches:
        bundle.embed(windows)


def _plain(bundle: Bundle, batches: list[np.ndarray], threads: int) -> Callable[[], None]:
    weights = read_weights(shipped_bundle() / "encoder.safetensors", bundle.manifest.width)
    encoder = encoder_with(weights, bundle.manifest.width).eval()
    features = np.concatenate([bundle.embed(windows) for windows in batches])
    pca = PCA(20).fit(features)
    kmeans = KMeans(24, n_init=1, random_state=0).fit(pca.transform(features))

    def label() -> None:
        torch.set_num_threads(threads)
        for windows in batches:
            with torch.inference_mode():
                embedded = encoder(torch.from_numpy(windows)[:, None]).numpy()
            kmeans.predict(pca.transform(embedded))

    return label


if __name__ == "__main__":
    main()
