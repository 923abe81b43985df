"""Does the encoder earn its keep? Its clusters beside those of plain pixels and of an untrained encoder.

    python benchmarks/clusters_against_pixels.py

All get the same windows, the same PCA (20 components) and the same k-means (24 clusters); the measure is
the agreement with the simulator's truth (the kind that fills most of a window), on windows of seeds that no
encoder has learnt from. PCA and k-means are fitted on another seed's day for the default band; for the twelve
varied bands they are fitted on the very windows that are judged, by every method alike. One run, side by
side, on one thread.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import torch
from sklearn.decomposition import PCA
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score
from threadpoolctl import threadpool_limits

from bandwatch.models.bundle import Bundle, shipped_bundle
from bandwatch.models.bundle_training import HELD_OUT_DEFAULT, day_of_windows, held_out_varied_windows
from bandwatch.models.clustering import fit_centres, fit_projection, nearest
from bandwatch.models.encoder import Encoder, EncoderConfig, weights_of
from bandwatch.models.engine import open_engine
from bandwatch.models.window_truth import Truth, truth_of
from bandwatch.pipeline.frames import Float32, Int64, Window
from bandwatch.pipeline.simulator import Simulator

COMPONENTS, CLUSTERS = 20, 24

# Windows fitted on, windows to label -> labels.
Method = Callable[[Float32, Float32], Int64]


def on_features(embed: Callable[[Float32], Float32], whiten: bool) -> Method:
    def label(fitted_on: Float32, asked: Float32) -> Int64:
        features = embed(fitted_on)
        projection = fit_projection(features, COMPONENTS, whiten=whiten)
        centres, _ = fit_centres(projection.points(features), CLUSTERS, seed=0)
        return nearest(projection.points(embed(asked)), centres)[0]

    return label


def on_pixels(whiten: bool) -> Method:
    def label(fitted_on: Float32, asked: Float32) -> Int64:
        pca = PCA(COMPONENTS, whiten=whiten, svd_solver="randomized", random_state=0)
        points = pca.fit_transform(fitted_on.reshape(len(fitted_on), -1)).astype(np.float32)
        centres, _ = fit_centres(points, CLUSTERS, seed=0)
        return nearest(pca.transform(asked.reshape(len(asked), -1)).astype(np.float32), centres)[0]

    return label


def cut(found: Iterable[tuple[Window, Simulator]]) -> tuple[Float32, list[Truth]]:
    """Windows [n, 128, 128] and what each shows."""
    windows: list[Float32] = []
    truths: list[Truth] = []
    for window, simulator in found:
        windows.append(window.values)
        truths.append(truth_of(window, simulator.truth))
    return np.stack(windows), truths


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--bundle", type=Path, default=shipped_bundle())
    parser.add_argument("--windows", type=int, default=4096, help="of each: fitted on, and judged")
    options = parser.parse_args()

    torch.set_num_threads(1)
    bundle = Bundle.load(options.bundle, device="cpu", threads=1)
    width = bundle.manifest.width
    torch.manual_seed(0)
    untrained = open_engine(weights_of(Encoder(EncoderConfig(width))), width, device="cpu", threads=1)
    methods: dict[str, Method] = {
        f"bundle {bundle.name}": on_features(bundle.embed, True),
        f"bundle {bundle.name}, not whitened": on_features(bundle.embed, False),
        "untrained encoder": on_features(untrained.embed, True),
        "pixels": on_pixels(False),
        "pixels, whitened": on_pixels(True),
    }

    seed = 0
    fitted_on, _ = cut(day_of_windows(seed, options.windows))
    asked, truths = cut(day_of_windows(seed + HELD_OUT_DEFAULT, options.windows))
    report("default band, a day of another seed", methods, fitted_on, asked, truths)

    windows, truths = cut(held_out_varied_windows(seed, options.windows))
    report("twelve varied bands, fitted on what is judged", methods, windows, windows, truths)


def report(
    title: str, methods: dict[str, Method], fitted_on: Float32, asked: Float32, truths: list[Truth]
) -> None:
    kinds = np.array([truth.main_kind for truth in truths])
    single = np.array([len(truth.kinds) <= 1 for truth in truths])
    print(f"\n{title}: {len(asked)} windows, {single.sum()} of at most one kind")
    print(", ".join(f"{kind} {count}" for kind, count in Counter(kinds.tolist()).most_common()))
    print(f"{'':40}{'all windows':>16}{'at most one kind':>20}")
    print(f"{'':40}{'NMI':>8}{'ARI':>8}{'NMI':>12}{'ARI':>8}{'seconds':>10}")
    for name, method in methods.items():
        started = time.monotonic()
        with threadpool_limits(1):
            labels = method(fitted_on, asked)
        seconds = time.monotonic() - started
        figures = [
            measure(kinds[which], labels[which])
            for which in (np.ones_like(single), single)
            for measure in (normalized_mutual_info_score, adjusted_rand_score)
        ]
        print(
            f"{name:40}{figures[0]:8.3f}{figures[1]:8.3f}{figures[2]:12.3f}{figures[3]:8.3f}{seconds:10.1f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
