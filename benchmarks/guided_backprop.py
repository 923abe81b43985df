"""Whether guided backpropagation on the shipped encoder can be believed.

    OMP_NUM_THREADS=1 python benchmarks/guided_backprop.py [--bundle BUNDLE] [--places 8]

Prints three tables. Bursts planted in quiet windows of the simulated band: the share of the positive
attribution that lies in their boxes, by kind and by what the gradient is of (median over places, and how many
are at least one half), beside the plain gradient's and the box's share of the window. How alike the maps of a
window are for its own cluster and for another one, by rank correlation. And the layers of the encoder made to
forget what they learnt, one after another, the last first: rank correlation with the trained encoder's maps,
share in the boxes. A quarter of a minute of processor.
"""

from __future__ import annotations

import argparse
from contextlib import nullcontext
from itertools import islice
from pathlib import Path
from unittest.mock import patch

import numpy as np
import torch
from scipy.stats import spearmanr

from bandwatch.explain import guided_backprop
from bandwatch.explain.attribution_checks import BURSTS, cascade, plant, positive_share_inside
from bandwatch.explain.cluster_scores import DistanceScores, MarginScores
from bandwatch.explain.guided_backprop import GuidedBackprop
from bandwatch.models.activity import BandModel
from bandwatch.models.bundle import ENCODER_FILE, shipped_bundle
from bandwatch.models.encoder import encoder_with
from bandwatch.models.encoder_weights import read_weights
from bandwatch.models.manifest import read_manifest
from bandwatch.models.training_windows import cut_windows
from bandwatch.pipeline.scene import Scene
from bandwatch.pipeline.simulator import Simulator

SEED = 500_900


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--bundle", type=Path, default=shipped_bundle())
    parser.add_argument("--places", type=int, default=8)
    options = parser.parse_args()
    torch.set_num_threads(1)
    width = read_manifest(options.bundle).width
    encoder = encoder_with(read_weights(options.bundle / ENCODER_FILE, width), width)
    model = BandModel.load(options.bundle / "bands" / "simulated" / "srd-868")
    scores = {
        "distance": DistanceScores(model.projection, model.centres),
        "margin": MarginScores(model.projection, model.centres),
    }
    windows, boxes, kinds = planted(options.places)
    with torch.inference_mode():
        own = scores["distance"](encoder(torch.from_numpy(windows)[:, None])).argmax(dim=1).numpy()
    further = np.random.default_rng(SEED).integers(1, model.cluster_count, len(own))
    other = (own + further) % model.cluster_count
    maps = {name: GuidedBackprop(encoder, score).attribute(windows, own) for name, score in scores.items()}
    others = {
        name: GuidedBackprop(encoder, score).attribute(windows, other) for name, score in scores.items()
    }
    with patch.object(guided_backprop, "guided", lambda _: nullcontext()):
        for name, score in scores.items():
            maps[f"plain {name}"] = GuidedBackprop(encoder, score).attribute(windows, own)
            others[f"plain {name}"] = GuidedBackprop(encoder, score).attribute(windows, other)
    show_shares(maps, boxes, kinds)
    show_others(maps, others)
    show_cascade(encoder, scores["distance"], windows, boxes, own, maps["distance"])


def planted(places):
    """Windows and boxes [n, 128, 128], and their kinds."""
    simulator = Simulator(SEED, scene=Scene(emitters=()))
    quiet = cut_windows(simulator.frames(), 16)
    random = np.random.default_rng(SEED)
    windows, boxes, kinds = [], [], []
    for kind, burst in BURSTS.items():
        for window in islice(quiet, places):
            row = random.integers(0, 129 - burst.rows)
            middle = random.uniform(burst.bins / 2 + 2, 126 - burst.bins / 2)
            found, box = plant(window.values, burst, int(row), middle)
            windows.append(found)
            boxes.append(box)
            kinds.append(kind)
    return np.stack(windows), np.stack(boxes), np.array(kinds)


def show_shares(maps, boxes, kinds) -> None:
    shares = {name: positive_share_inside(own, boxes) for name, own in maps.items()}
    print("| burst | box | " + " | ".join(shares) + " |\n|" + "---|" * (2 + len(shares)))
    for kind in (*BURSTS, "all"):
        inside = (kinds == kind) | (kind == "all")
        cells = [f"{boxes[inside].mean():.3f}"] + [
            f"{np.nanmedian(share[inside]):.2f} ({(share[inside] >= 0.5).sum()} of {inside.sum()})"
            for share in shares.values()
        ]
        print(f"| {kind} | " + " | ".join(cells) + " |")


def show_others(maps, others) -> None:
    print("\n| own cluster's map beside another's | signed | size |\n|---|---|---|")
    for name, own in maps.items():
        print(f"| {name} | {alike(own, others[name])} | {alike(np.abs(own), np.abs(others[name]))} |")


def show_cascade(encoder, scores, windows, boxes, own, trained) -> None:
    print("\n| untrained from the end to | signed | size | share in the boxes |\n|---|---|---|---|")
    for layer, forgetful in cascade(encoder, SEED):
        maps = GuidedBackprop(forgetful, scores).attribute(windows, own)
        share = np.nanmedian(positive_share_inside(maps, boxes))
        sizes = alike(np.abs(maps), np.abs(trained))
        print(f"| `{layer}` | {alike(maps, trained)} | {sizes} | {share:.2f} |", flush=True)


def alike(one, other) -> str:
    """The median rank correlation of maps."""
    ranks = [spearmanr(a.ravel(), b.ravel()).statistic for a, b in zip(one, other, strict=True)]
    return f"{np.median(ranks):.2f}"


if __name__ == "__main__":
    main()
