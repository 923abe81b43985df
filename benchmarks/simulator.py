"""How fast the simulated bands come, how far samples and rows agree, and what the truth of windows costs.

    python benchmarks/simulator.py [--seconds 30]

Rates are of processor time on one core, best of five for rows. Agreement is of the power received in all, and
of the mean power in each bin, between the analyser's rows of the samples and the simulator's own.
"""

from __future__ import annotations

import argparse
import time
from itertools import islice

import numpy as np

from bandwatch.models.training_windows import cut_windows
from bandwatch.models.window_energy import energy_truth
from bandwatch.models.window_truth import truth_of
from bandwatch.pipeline.iq_simulator import IqSimulator
from bandwatch.pipeline.named_scenes import BANDS, scene_named
from bandwatch.pipeline.psd import PowerSpectrum
from bandwatch.pipeline.scene import Scene
from bandwatch.pipeline.simulator import Simulator

ROWS = 2560
MOST_ROW_SAMPLES = 400_000
MOST_SAMPLES = 6_000_000


def row_rate(name: str, seed: int) -> float:
    """Rows, in times real time."""
    scene = scene_named(name, seed)
    taken: list[float] = []
    for _ in range(5):
        simulator = Simulator(seed, scene=scene)
        started = time.process_time()
        simulator.block(ROWS)
        taken.append(time.process_time() - started)
    return ROWS * scene.raster.row_seconds / min(taken)


def agreement(scene: Scene, seed: int, rows: int) -> tuple[float, float, np.ndarray]:
    """Samples, in times real time; rows of samples over the simulator's in dB: of all power, and of the mean
    power of bins, their 0.05, 0.5 and 0.95 quantiles."""
    simulator = IqSimulator(seed, scene=scene)
    row_samples = simulator.sample_rate_hz * scene.raster.row_seconds
    started = time.process_time()
    samples = simulator.block(round(rows * row_samples) + scene.bins)
    seconds = time.process_time() - started
    spectrum = PowerSpectrum(bins=scene.bins, frames_per_row=max(1, round(2 * row_samples / scene.bins)))
    heard = 10 ** (spectrum.rows(samples).astype(float) / 10)
    painted = 10 ** (Simulator(seed, scene=scene).block(rows).astype(float) / 10)
    of_bins = 10 * np.log10(heard.mean(0) / painted.mean(0))
    of_all = 10 * np.log10(heard.mean() / painted.mean())
    return rows * scene.raster.row_seconds / seconds, of_all, np.quantile(of_bins, (0.05, 0.5, 0.95))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=30.0, help="of samples")
    parser.add_argument("--varied", type=int, default=60, help="seeds of varied bands")
    parser.add_argument("--windows", type=int, default=600)
    options = parser.parse_args()

    for name in BANDS:
        print(f"{name}: rows {row_rate(name, options.seed):,.0f} times real time", flush=True)
    for name in ("default", "logatec", "wide"):
        scene = scene_named(name, options.seed)
        rows = round(options.seconds / (4 if name == "wide" else 1) / scene.raster.row_seconds)
        rate, of_all, of_bins = agreement(scene, options.seed, rows)
        print(
            f"{name}: samples {rate:.1f} times real time, power {of_all:+.2f} dB, bins"
            f" {of_bins[0]:+.2f} {of_bins[1]:+.2f} {of_bins[2]:+.2f} dB",
            flush=True,
        )
    totals: list[float] = []
    for seed in range(options.varied):
        scene = scene_named("varied", seed)
        row_samples = scene.bins * scene.bin_hz * scene.raster.row_seconds
        if row_samples <= MOST_ROW_SAMPLES:
            totals.append(agreement(scene, seed, min(60, int(MOST_SAMPLES / row_samples)))[1])
    within = np.mean(np.abs(totals) <= 0.5)
    print(
        f"varied: {len(totals)} bands, power within 0.5 dB in {within:.0%}, worst {max(totals, key=abs):+.2f}"
    )
    for name in ("default", "logatec", "wide"):
        simulator = Simulator(options.seed, scene=scene_named(name, options.seed))
        windows = list(islice(cut_windows(simulator.frames(), 128), options.windows))
        emissions = simulator.truth
        started = time.process_time()
        truths = [energy_truth(each, emissions, simulator.scene.averaged_spectra) for each in windows]
        each_ms = (time.process_time() - started) / len(windows) * 1e3
        same = [
            truth.main_kind == truth_of(window, emissions).main_kind
            for window, truth in zip(windows, truths, strict=True)
        ]
        single = np.mean([len(truth.kinds) <= 1 for truth in truths])
        print(
            f"{name}: {each_ms:.2f} ms a window, the older rule's kind in {np.mean(same):.0%},"
            f" at most one kind in {single:.0%}"
        )


if __name__ == "__main__":
    main()
