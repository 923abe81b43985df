"""The texture of a recorded band beside that of simulated ones: the tables of docs/simulator.md.

    python benchmarks/noise_beside_real.py REAL.h5 [--dataset rss] [--scenes default logatec] [--hours 2]

A short recording is one draw of what a band can be. So every figure of the simulated bands is given for
pieces as long as the recording: the median piece, and the range of 90 % of the pieces. A figure of the
recording outside that range is one the simulator does not explain; it is marked with a star.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import h5py
import numpy as np
import scipy.stats
from numpy.typing import NDArray

from bandwatch.pipeline.named_scenes import BANDS, scene_named
from bandwatch.pipeline.simulator import START_2026_NS, Simulator

HOUR_NS = 3_600_000_000_000
QUANTILES = (0.001, 0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99, 0.999)


def figures(rows_db: NDArray[np.float64], row_seconds: float) -> dict[str, float]:
    """What is compared, of rows [n, bins] in dB; a row is quiet where no bin stands 6 dB over its median
    level and the row's mean not 0.1 dB."""
    bins = rows_db.shape[1]
    over_db = rows_db - np.median(rows_db, 0)
    is_quiet = ((over_db > 6).sum(1) == 0) & (over_db.mean(1) < 0.1)
    if is_quiet.sum() < 8:
        return {"quiet rows, share": float(is_quiet.mean())}
    quiet = rows_db[is_quiet]
    level_db = quiet.mean(0)
    middle = slice(bins // 5, bins // 5 * 2)
    floor_db = level_db[middle].mean()
    scatter = quiet[:, middle] - level_db[middle]
    levels = np.full((len(rows_db), scatter.shape[1]), np.nan)
    levels[is_quiet] = scatter
    row_means = quiet[:, middle].mean(1)
    slope = np.polyfit(np.flatnonzero(is_quiet) * row_seconds / 60, row_means, 1)[0]

    found = {"quiet rows, share": float(is_quiet.mean()), "standard deviation of a bin, dB": scatter.std()}
    for share in QUANTILES:
        found[f"quantile {share:g} about the floor, quiet rows, dB"] = np.quantile(quiet - level_db, share)
    for share in QUANTILES:
        found[f"quantile {share:g} about the floor, all rows, dB"] = np.quantile(rows_db - level_db, share)
    found["skewness, quiet rows"] = float(scipy.stats.skew(scatter, axis=None))
    found["excess kurtosis, quiet rows"] = float(scipy.stats.kurtosis(scatter, axis=None))
    for lag in (1, 2, 3, 8):
        found[f"correlation of bins {lag} apart"] = (
            scatter[:, lag:] * scatter[:, :-lag]
        ).mean() / scatter.var()
    for lag in (1, 2, 5):
        both = is_quiet[lag:] & is_quiet[:-lag]
        if both.any():
            products = levels[lag:][both] * levels[:-lag][both]
            found[f"correlation of rows {lag} apart"] = products.mean() / scatter.var()
    found["row means' standard deviation, dB"] = row_means.std()
    found["floor's slope, dB a minute"] = float(slope)
    for first, last in ((0, 1 / 32), (1 / 32, 1 / 16), (1 / 16, 1 / 8)):
        a, b = round(first * bins), round(last * bins)
        ends = (level_db[a:b].mean() + level_db[bins - b : bins - a].mean()) / 2
        found[f"roll-off, {first:.3f}..{last:.3f} of the band from its ends, dB"] = ends - floor_db
    center = level_db[bins // 2 - 2 : bins // 2 + 2]
    found["DC line, dB"] = center.max() - floor_db
    for level in (3, 6, 10):
        found[f"pixels {level} dB over the bin's median, share"] = (over_db > level).mean()
    found["rows with 6 dB or more, share"] = (over_db > 6).any(1).mean()
    found["strongest over the bin's median, dB"] = over_db.max()
    return {name: float(value) for name, value in found.items()}


def pieces_of(scene_name: str, seed: int, hours: float, rows: int) -> list[dict[str, float]]:
    """The figures of every piece of `rows` rows, from hours spread over a day."""
    scene = scene_named(scene_name, seed)
    each = max(1, round(hours * 3600 * scene.rows_per_second / rows / 12))
    found = []
    for stretch in range(12):
        start_ns = START_2026_NS + stretch * 2 * HOUR_NS
        simulator = Simulator(seed + stretch, scene=scene, start_ns=start_ns)
        pieces = (simulator.block(rows).astype(float) for _ in range(each))
        found += [figures(piece, scene.duration_ns / 1e9) for piece in pieces]
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("recording", type=Path)
    parser.add_argument("--dataset", default="rss")
    parser.add_argument("--row-seconds", type=float, default=0.2)
    parser.add_argument("--scenes", nargs="+", default=["default", "logatec"], choices=list(BANDS))
    parser.add_argument("--hours", type=float, default=2.0, help="of each simulated band, over a day")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()

    with h5py.File(options.recording) as file:
        rows_db = file[options.dataset][:].astype(float)
    real = figures(rows_db, options.row_seconds)
    bands = {name: pieces_of(name, options.seed, options.hours, len(rows_db)) for name in options.scenes}

    print(f"| {len(rows_db)} rows | recorded | " + " | ".join(bands) + " |")
    print("|---|---|" + "---|" * len(bands))
    for name, value in real.items():
        cells = []
        for pieces in bands.values():
            values = [piece[name] for piece in pieces if name in piece]
            low, middle, high = np.quantile(values, (0.05, 0.5, 0.95))
            star = "" if low - 1e-9 <= value <= high + 1e-9 else " *"
            cells.append(f"{middle:.3g} ({low:.3g}..{high:.3g}){star}")
        print(f"| {name} | {value:.3g} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
