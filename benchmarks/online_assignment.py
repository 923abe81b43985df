"""A window's cluster and novelty online, beside scikit-learn's PCA.transform and KMeans.predict, in one run.

    python benchmarks/online_assignment.py

A band model is fitted on the features of 6,144 windows of the simulated band; then every way labels the same
new windows one at a time, as they come online, in turns of a hundred. The encoder is not in it. Ours also
gives the distance and the novelty; scikit-learn's does not. The plain ways: `KMeans.predict` alone on the
finished point, and `PCA.transform` before it. Labels must be equal. One thread; medians of the rounds.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from threadpoolctl import threadpool_limits

from bandwatch.models.bundle import Bundle, shipped_bundle
from bandwatch.models.bundle_training import (
    HELD_OUT_DEFAULT,
    day_of_windows,
    embed_all,
    simulated_band_model,
)

TURN = 100


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--bundle", type=Path, default=shipped_bundle())
    parser.add_argument("--windows", type=int, default=6144, help="the model is fitted on")
    parser.add_argument("--rounds", type=int, default=20)
    options = parser.parse_args()

    bundle = Bundle.load(options.bundle, device="cpu", threads=1)
    model = simulated_band_model(bundle.embed, 0, windows=options.windows)
    asked = embed_all(bundle.embed, (window for window, _ in day_of_windows(HELD_OUT_DEFAULT, TURN)))[:TURN]
    pca, kmeans = plain_twins(model)
    points = pca.transform(asked).astype(np.float32)

    ways: dict[str, Callable[[int], int]] = {
        "ours: PCA, nearest centre, distance, novelty": lambda n: int(model.assign(asked[n : n + 1])[0][0]),
        "scikit-learn: PCA.transform, KMeans.predict": lambda n: int(
            model.clusters[kmeans.predict(pca.transform(asked[n : n + 1]).astype(np.float32))[0]]
        ),
        "scikit-learn: KMeans.predict alone": lambda n: int(
            model.clusters[kmeans.predict(points[n : n + 1])[0]]
        ),
    }
    with threadpool_limits(1):
        labels = {name: [way(n) for n in range(len(asked))] for name, way in ways.items()}
        ours = next(iter(labels.values()))
        if any(found != ours for found in labels.values()):
            raise SystemExit("labels differ")
        seconds: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(options.rounds):
            for name, way in ways.items():
                begun = time.process_time()
                for n in range(len(asked)):
                    way(n)
                seconds[name].append((time.process_time() - begun) / len(asked))
    first = statistics.median(next(iter(seconds.values())))
    print("| one window | microseconds of processor | times ours |\n|---|---|---|")
    for name, found in seconds.items():
        median = statistics.median(found)
        print(f"| {name} | {1e6 * median:.1f} | {median / first:.1f} |")


def plain_twins(model) -> tuple[PCA, KMeans]:
    """scikit-learn's estimators with the band model's own components and centres."""
    projection = model.projection
    pca = PCA(projection.component_count, whiten=True)
    pca.mean_, pca.components_ = projection.mean, projection.components
    pca.explained_variance_ = projection.scale**2
    pca.n_components_, pca.n_features_in_ = projection.component_count, projection.dimensions
    kmeans = KMeans(model.cluster_count, n_init=1, max_iter=1).fit(model.centres)
    kmeans.cluster_centers_ = model.centres
    return pca, kmeans


if __name__ == "__main__":
    main()
