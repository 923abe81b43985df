"""How far the trees over components hold on windows that come later, beside a plain CART of as many leaves.

    python benchmarks/tree_fidelity.py
    python benchmarks/tree_fidelity.py --seeds 21 22 23 --scenes default --windows 1688 --stride 16
    python benchmarks/tree_fidelity.py --stride 16 --data sweep.csv

Of each band the shipped encoder's features of the first half of the windows, by time, give components,
k-means of 24 clusters and the trees; each tree is then asked for the second half. Twice: of the encoder's
features alone, and with hand-made ones beside them, at half their weight. Each figure: on the first half, on
the second.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator
from itertools import islice

import numpy as np
from sklearn.tree import DecisionTreeClassifier

from bandwatch.explain.bisector_tree import BisectorTree
from bandwatch.explain.shallow_tree import ShallowTree
from bandwatch.models.bundle import Bundle, shipped_bundle
from bandwatch.models.clustering import fit_centres, fit_projection, nearest
from bandwatch.models.representations import comparable
from bandwatch.models.training_windows import cut_windows
from bandwatch.models.window_features import window_features
from bandwatch.pipeline.frames import PsdFrame
from bandwatch.pipeline.named_scenes import scene_named
from bandwatch.pipeline.replay import open_recording
from bandwatch.pipeline.simulator import Simulator

CLUSTERS, COMPONENTS, AT_ONCE, SHARE = 24, 20, 64, 0.5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--scenes", nargs="+", default=["default", "logatec", "wide", "varied", "broad"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[21, 22])
    parser.add_argument("--data", nargs="+", default=[], help="recordings, in the place of scenes")
    parser.add_argument("--windows", type=int, default=2000, help="at most so many of a band")
    parser.add_argument("--stride", type=int, default=128, help="rows from one window to the next")
    options = parser.parse_args()
    bundle = Bundle.load(shipped_bundle(), device="cpu", threads=1)
    print(f"{'band':24} {'features':9} {'windows':>7}   {'bisector':13} {'paper':13} CART", flush=True)
    for name, frames in bands(options):
        found = list(islice(cut_windows(frames, options.stride), options.windows))
        found.sort(key=lambda window: window.start_ns)
        values = np.stack([window.values for window in found]).astype(np.float32)
        parts = np.split(values, range(AT_ONCE, len(values), AT_ONCE))
        encoded = np.concatenate([bundle.engine.embed(part) for part in parts])
        half = len(values) // 2
        by_hand = comparable(np.concatenate([window_features(part) for part in parts]))
        weight = SHARE * np.sqrt(encoded[:half].var(axis=0).sum() / by_hand[:half].var(axis=0).sum())
        for kind, features in (("encoder", encoded), ("both", np.hstack([encoded, weight * by_hand]))):
            told = [f"{one:.3f} {other:.3f}" for one, other in fidelities(features, half)]
            print(f"{name[-24:]:24} {kind:9} {len(values):7}   " + "   ".join(told), flush=True)


def bands(options: argparse.Namespace) -> Iterator[tuple[str, Iterable[PsdFrame]]]:
    for path in options.data:
        yield path, open_recording(path)
    if not options.data:
        for scene in options.scenes:
            for seed in options.seeds:
                yield f"{scene} {seed}", Simulator(seed, scene=scene_named(scene, seed)).frames()


def fidelities(features: np.ndarray, half: int) -> Iterator[tuple[float, float]]:
    """Of each tree, on the first half and on the second."""
    projection = fit_projection(features[:half], COMPONENTS, whiten=False)
    points = projection.points(features)
    centres, _ = fit_centres(points[:half], CLUSTERS, 0)
    labels, _ = nearest(points, centres)
    for kind in (BisectorTree, ShallowTree):
        tree = kind(len(centres)).fit(points[:half], centres)
        yield tree.fidelity(points[:half], labels[:half]), tree.fidelity(points[half:], labels[half:])
    cart = DecisionTreeClassifier(max_leaf_nodes=CLUSTERS, random_state=0).fit(points[:half], labels[:half])
    yield cart.score(points[:half], labels[:half]), cart.score(points[half:], labels[half:])


if __name__ == "__main__":
    main()
