"""IQ to PSD rows: samples a second on one pinned core, beside scipy.signal.welch and simplespectral.

    python benchmarks/psd.py [--core 0] [--rows 16] [--repeats 25]

Everything in one process, in turns, so that a machine's moods meet all alike; a figure is the best of the
repeats, a ratio the median over the repeats of the ratio in that repeat. All make rows of 256 Hann frames of
1024 samples, 50 % overlap. `simplespectral` is the route of soapy_power, with pyfftw and as it falls back
without; it needs `pip install simplespectral`. Two threads come last, unpinned, on four times the rows.
"""

from __future__ import annotations

import argparse
import importlib
import os
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.signal
from numpy.typing import NDArray

from bandwatch.pipeline import psd_fftw
from bandwatch.pipeline.frames import Complex64
from bandwatch.pipeline.psd import Engine, PowerSpectrum

BINS, OVERLAP, FRAMES = 1024, 0.5, 256
Route = Callable[[], Any]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--core", type=int, default=0)
    parser.add_argument("--rows", type=int, default=16, help="of 131,072 samples, a call")
    parser.add_argument("--repeats", type=int, default=25)
    options = parser.parse_args()

    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {options.core})
    shape = PowerSpectrum(BINS, OVERLAP, FRAMES, engine="scipy")
    samples = options.rows * shape.samples_per_row + BINS - shape.hop
    random = np.random.default_rng(0)
    iq = (0.1 * (random.normal(size=samples) + 1j * random.normal(size=samples))).astype(np.complex64)
    engines: tuple[Engine, ...] = ("fftw", "scipy") if psd_fftw.library() is not None else ("scipy",)
    known = {"scipy.signal.welch": in_rows(iq, shape, welch)} | simplespectral_routes(iq, shape)

    codes = {kind: random.integers(*limits, (samples, 2)).astype(kind) for kind, limits in KINDS.items()}
    ours = {
        f"PowerSpectrum, {engine}, {kind}": rows_of(PowerSpectrum(engine=engine), values)
        for engine in engines
        for kind, values in ({"complex64": iq} | codes).items()
    }
    print_routes(f"one core, {options.rows} rows a call", known | ours, options.repeats, samples, list(known))

    os.sched_setaffinity(0, cores)
    many = np.tile(iq, 4)
    for engine in engines:
        one, two = (f"PowerSpectrum, {engine}, {words}" for words in ("one thread", "two threads"))
        shared = {
            one: rows_of(PowerSpectrum(engine=engine), many),
            two: rows_of(PowerSpectrum(engine=engine, threads=2), many),
        }
        print_routes(f"{len(cores)} cores", shared, options.repeats, len(many), [one])


KINDS = {"int8": (-128, 128), "uint8": (0, 256), "int16": (-32768, 32768)}


def rows_of(spectrum: PowerSpectrum, iq: NDArray[Any]) -> Route:
    return lambda: spectrum.rows(iq)


def in_rows(iq: Complex64, shape: PowerSpectrum, one_row: Callable[[Complex64], Any]) -> Route:
    starts = range(0, len(iq) - shape.samples_needed + 1, shape.samples_per_row)
    return lambda: [one_row(iq[start : start + shape.samples_needed]) for start in starts]


def welch(samples: Complex64) -> Any:
    return scipy.signal.welch(
        samples, nperseg=BINS, noverlap=BINS // 2, window="hann", return_onesided=False, detrend=False
    )


def simplespectral_routes(iq: Complex64, shape: PowerSpectrum) -> dict[str, Route]:
    """What soapy_power's `PSD.update` calls, with its own defaults: Hann, no detrending."""
    try:
        module = importlib.import_module("simplespectral")
    except ImportError:
        print("simplespectral is not installed")
        return {}

    def route(use_pyfftw: bool) -> Route:
        def one_row(samples: Complex64) -> Any:
            module.use_pyfftw, module.fft_threads = use_pyfftw, 1
            return module.welch(samples, 1.0, nperseg=BINS, window="hann", noverlap=BINS // 2, detrend=None)

        return in_rows(iq, shape, one_row)

    fallback = {"simplespectral, scipy.fftpack": route(False)}
    return ({"simplespectral, pyfftw": route(True)} if module.fft_pyfftw else {}) | fallback


def print_routes(title: str, routes: dict[str, Route], repeats: int, samples: int, beside: list[str]) -> None:
    """One table: samples a second, and how many times as fast as each of those in `beside`."""
    seconds: dict[str, list[float]] = {name: [] for name in routes}
    for route in routes.values():
        route()  # plans, kernels, caches
    for _ in range(repeats):
        for name, route in routes.items():
            started = time.perf_counter()
            route()
            seconds[name].append(time.perf_counter() - started)
    taken = {name: np.array(each) for name, each in seconds.items()}
    print(f"\n{title:32}{'Msample/s':>10}" + "".join(f"   x {name}" for name in beside))
    for name, mine in taken.items():
        ratios = "".join(f"{np.median(taken[other] / mine):{len(other) + 5}.2f}" for other in beside)
        print(f"{name:32}{samples / mine.min() / 1e6:10.1f}{ratios}", flush=True)


if __name__ == "__main__":
    main()
