"""How long trees over components take and how far they hold, beside k-means and a plain CART, in one run.

    python benchmarks/shallow_tree.py
    python benchmarks/shallow_tree.py --points 500000

Gaussian blobs, of which some overlap. K-means as the band models fit it (scikit-learn, the best of four
starts), then the paper's shallow tree of its centres, the bisector tree, and scikit-learn's CART with as many
leaves. Fidelity is on the points they were grown on, and on as many others as a tenth of them. One thread;
processor seconds, so that other processes on the machine do not count. The kernels' compilation (once a
machine) is told apart. Peak memory is the whole process', up to then.
"""

from __future__ import annotations

import argparse
import resource
import time

import numpy as np
from sklearn.tree import DecisionTreeClassifier

from bandwatch.explain.bisector_tree import BisectorTree
from bandwatch.explain.shallow_tree import ShallowTree
from bandwatch.models.clustering import fit_centres, nearest


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

    def drawn(count: int) -> np.ndarray:
        points = middles[random.integers(0, options.clusters, count)]
        return (points + random.normal(0, options.spread, points.shape)).astype(np.float32)

    points, others = drawn(options.points), drawn(options.points // 10)
    started = time.process_time()
    for kind in (ShallowTree, BisectorTree):
        kind(2).fit([[0.0], [1.0]], [[0.0], [1.0]])
    print(f"kernels loaded or compiled {time.process_time() - started:8.2f} s")
    started = time.process_time()
    centres, labels = fit_centres(points, options.clusters, options.seed)
    kmeans_seconds = time.process_time() - started
    print(f"k-means, four starts       {kmeans_seconds:8.2f} s, {peak_mebibytes():.0f} MiB")
    others_labels, _ = nearest(others, centres)
    for kind in (ShallowTree, BisectorTree):
        started = time.process_time()
        tree = kind(options.clusters).fit(points, centres)
        seconds = time.process_time() - started
        tell(kind.__name__, seconds, kmeans_seconds)
        print(
            f"    fidelity {tree.fidelity(points, labels):.3f}, of others "
            f"{tree.fidelity(others, others_labels):.3f}; {tree.n_leaves_} leaves, depth {tree.depth_}, "
            f"weighted depth {tree.weighted_depth_:.2f}, explanation size {tree.explanation_size_:.2f}, "
            f"cost {tree.cost(points) / squared_distances(points, centres, labels):.3f} of k-means'"
        )
    started = time.process_time()
    cart = DecisionTreeClassifier(max_leaf_nodes=options.clusters, random_state=0).fit(points, labels)
    tell("CART", time.process_time() - started, kmeans_seconds)
    print(
        f"    fidelity {cart.score(points, labels):.3f}, of others {cart.score(others, others_labels):.3f}; "
        f"{cart.get_n_leaves()} leaves, depth {cart.get_depth()}"
    )


def tell(name: str, seconds: float, kmeans_seconds: float) -> None:
    print(
        f"{name:26} {seconds:8.2f} s, {seconds / kmeans_seconds:.2f} of k-means, {peak_mebibytes():.0f} MiB"
    )


def squared_distances(points: np.ndarray, centres: np.ndarray, labels: np.ndarray) -> float:
    return float(((points.astype(np.float64) - centres[labels]) ** 2).sum())


def peak_mebibytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
