"""What a band's clusters are in words, and how well a tree over measures tells them.

python benchmarks/cluster_words.py --scene default --windows 2048
"""

from __future__ import annotations

import argparse
from itertools import islice

import numpy as np

from bandwatch.explain.measure_tree import MeasureTree, tree_fidelity
from bandwatch.explain.typical import measured_windows, typical_windows
from bandwatch.explain.words import cluster_words, window_words
from bandwatch.models.bundle import Bundle
from bandwatch.models.clustering import fit_centres, fit_projection, nearest
from bandwatch.models.geometry import Geometry
from bandwatch.models.training_windows import cut_windows
from bandwatch.models.window_features import window_features
from bandwatch.pipeline.named_scenes import scene_named
from bandwatch.pipeline.simulator import Simulator
from bandwatch.pipeline.windows import segment_starts

BATCH = 64


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scene", default="default")
    parser.add_argument("--seed", type=int, default=500_001)
    parser.add_argument("--windows", type=int, default=2048)
    parser.add_argument("--clusters", type=int, default=24)
    parser.add_argument("--bundle", default="models/shipped")
    chosen = parser.parse_args()
    scene = scene_named(chosen.scene, chosen.seed)
    bundle = Bundle.load(chosen.bundle, threads=1)
    embedded, measures, segments, starts = [], [], [], []
    windows = cut_windows(Simulator(chosen.seed, scene=scene).frames(), 128)
    while len(segments) < chosen.windows:
        batch = list(islice(windows, min(BATCH, chosen.windows - len(segments))))
        values = np.stack([window.values for window in batch])
        embedded.append(bundle.embed(values))
        measures.append(window_features(values))
        segments += [window.segment for window in batch]
        starts += [window.start_ns for window in batch]
    features, measured = np.concatenate(embedded), np.concatenate(measures)
    projection = fit_projection(features, 20, whiten=True)
    centres, _ = fit_centres(projection.points(features), chosen.clusters, 0)
    clusters = nearest(projection.points(features), centres)[0]
    geometry = Geometry(
        node="simulated",
        band=chosen.scene,
        unit="dBFS/bin",
        bins=scene.bins,
        first_hz=scene.raster.first_hz,
        bin_hz=scene.bin_hz,
        segments=len(segment_starts(scene.bins)),
    )
    row_seconds = scene.duration_ns / 1e9
    known = measured_windows(measured, clusters, segments, starts, geometry, row_seconds)
    tree = MeasureTree().fit(measured, clusters, known.pixel)
    typical = typical_windows(known)
    for cluster in typical:
        words = cluster_words(typical[cluster])
        print(f"{cluster}: {words.sentence} {words.distinction}\n    {tree.rule_words(cluster)}")
    for place in range(3):
        one = measured_windows(
            measured[place : place + 1],
            clusters[place : place + 1],
            segments[place : place + 1],
            starts[place : place + 1],
            geometry,
            row_seconds,
        )
        path = tree.path_words(measured[place])
        print(f"window {place}: {window_words(one, typical[int(clusters[place])], paths=[path]).text}")
    for leaves in (chosen.clusters, 2 * chosen.clusters, 4 * chosen.clusters):
        found = tree_fidelity(measured, clusters, np.array(starts), known.pixel, most_leaves=leaves)
        print(leaves, found)


if __name__ == "__main__":
    main()
