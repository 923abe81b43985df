"""How often a usual window is called novel: what a band model's calibration is worth at each of its fits.

    python benchmarks/novelty_calibration.py

A `BandFitter` hears the default simulated band as the agent would (stride 16), and each model it fits judges
6,144 windows of the same band from a seed that it has not heard: one in twenty should have a novelty above
0.95. The last fit is of as many windows, of all moments of 2.7 hours, heard at the stride that it would hold.
Three seeds of each, and their mean; about a minute on one thread.
"""

from __future__ import annotations

import argparse
from itertools import islice
from pathlib import Path

from bandwatch.models.band_fitting import BandFitter, fit_band_model
from bandwatch.models.bundle import Bundle, shipped_bundle
from bandwatch.models.bundle_training import (
    BAND_MODEL_WINDOWS,
    HELD_OUT_DEFAULT,
    LIVE_STRIDE_ROWS,
    embed_all,
    geometry_of,
)
from bandwatch.models.training_windows import cut_windows
from bandwatch.pipeline.frames import Float32
from bandwatch.pipeline.simulator import Simulator

SEEDS = 3
LEVEL = 0.95
THINNED = 4


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--bundle", type=Path, default=shipped_bundle())
    options = parser.parse_args()
    bundle = Bundle.load(options.bundle, device="cpu", threads=1)

    shares: dict[int, list[float]] = {}
    calibrations: dict[int, int] = {}
    kept: dict[int, list[int]] = {}
    for seed in range(SEEDS):
        heard, fresh = features(bundle, seed), features(bundle, seed + HELD_OUT_DEFAULT)
        geometry = geometry_of(next(Simulator(seed).frames()))
        fitter = BandFitter(geometry, stride_rows=LIVE_STRIDE_ROWS)
        before: set[int] = set()
        for first in range(0, len(heard), geometry.segments):
            model = fitter.push(heard[first : first + geometry.segments])
            if model is None:
                continue
            novelty = model.assign(fresh)[2]
            shares.setdefault(model.windows, []).append(float((novelty > LEVEL).mean()))
            calibrations[model.windows] = model.usual.disjoint
            kept.setdefault(model.windows, []).append(len(before & set(model.clusters.tolist())))
            before = set(model.clusters.tolist())
        later = fit_band_model(
            features(bundle, seed, THINNED), geometry, stride_rows=THINNED * LIVE_STRIDE_ROWS
        )
        judged = later.assign(fresh)[2]
        shares.setdefault(THINNED * BAND_MODEL_WINDOWS, []).append(float((judged > LEVEL).mean()))
        calibrations[THINNED * BAND_MODEL_WINDOWS] = later.usual.disjoint

    seeds = " | ".join(f"seed {seed}" for seed in range(SEEDS))
    print(f"| fit at | disjoint windows | {seeds} | mean | numbers kept |")
    print("|---|" + "---|" * (SEEDS + 3))
    for windows, found in shares.items():
        cells = [f"{share:.1%}" for share in [*found, sum(found) / SEEDS]]
        numbers = ", ".join(map(str, kept.get(windows, [])))
        print(f"| {windows} | {calibrations[windows]} | {' | '.join(cells)} | {numbers} |")


def features(bundle: Bundle, seed: int, every: int = 1) -> Float32:
    """Of the first windows of the default band, of `every` so many moments, float32 [n, d]."""
    windows = cut_windows(Simulator(seed).frames(), every * LIVE_STRIDE_ROWS)
    return embed_all(bundle.embed, islice(windows, BAND_MODEL_WINDOWS))


if __name__ == "__main__":
    main()
