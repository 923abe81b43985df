"""How long the shallow tree takes, beside the k-means whose centres it tells apart, in one run.

    python benchmarks/shallow_tree.py
    python benchmarks/shallow_tree.py --points 500000

Gaussian blobs, of which some overlap. K-means as the band models fit it (scikit-learn, the best of four
starts), then the tree of its centres. One thread; processor seconds, so that other processes on the machine
do not count. The kernels' compilation (once a machine) is told apart. Peak memory is the whole process'.
"""

from __future__ import annotations

import argparse
import resource
import time

import numpy as np

from bandwatch.explain.shallow_tree import ShallowTree
from bandwatch.models.clustering import fit_centres


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--points", type=int, default=100_000)
    parser.add_argument("--features", type=int, default=20)
    parser.add_argument("--clusters", type=int, default=24)
    parser.add_argument("--spread", type=float, default=1.0, help="of a blob; its middle is spread by 1 too")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()

    random = np.random.default_rng(options.seed)
    middles = random.normal(size=(options.clusters, options.features))
    points = middles[random.integers(0, options.clusters, options.points)]
    points = (points + random.normal(0, options.spread, points.shape)).astype(np.float32)

    started = time.process_time()
    ShallowTree(2).fit([[0.0], [1.0]], [[0.0], [1.0]])
    print(f"kernels loaded or compiled {time.process_time() - started:8.2f} s")
    started = time.process_time()
    centres, labels = fit_centres(points, options.clusters, options.seed)
    kmeans_seconds = time.process_time() - started
    print(f"k-means, four starts       {kmeans_seconds:8.2f} s")
    before_tree = peak_mebibytes()
    started = time.process_time()
    tree = ShallowTree(options.clusters).fit(points, centres)
    tree_seconds = time.process_time() - started
    print(f"tree                       {tree_seconds:8.2f} s, {tree_seconds / kmeans_seconds:.2f} of k-means")
    print(f"peak memory                {peak_mebibytes():8.0f} MiB, before the tree {before_tree:.0f} MiB")
    print(
        f"leaves {tree.n_leaves_}, depth {tree.depth_}, weighted depth {tree.weighted_depth_:.2f}, ", end=""
    )
    print(
        f"explanation size {tree.explanation_size_:.2f}, fidelity {tree.fidelity(points, labels):.3f}, ",
        end="",
    )
    print(f"cost {tree.cost(points) / squared_distances(points, centres, labels):.3f} of k-means'")


def squared_distances(points: np.ndarray, centres: np.ndarray, labels: np.ndarray) -> float:
    return float(((points.astype(np.float64) - centres[labels]) ** 2).sum())


def peak_mebibytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
