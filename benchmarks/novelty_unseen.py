"""How often a kind that the band has never shown is called novel.

    python benchmarks/novelty_unseen.py
    python benchmarks/novelty_unseen.py --without-one

A band model is fitted on 6,144 windows of the default band (stride 16), and judges the windows of the scene
`strange` (128 rows apart), whose kinds no other scene has. With `--without-one`, each emitter of the
default band in turn is left out of what is fitted on, and the windows judged are those of the whole band that
show its kind: where its deflection is at least 10 (`models/window_energy.py`) and an emission of it at least
10 dB over the floor. "Most": those in which it has most energy; "with labels": of the second half of the
windows, those that a logistic regression finds which was told of the first half whether the kind shows, at
one false alarm in twenty: what these features could tell at all. A few minutes on one thread.
"""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from bandwatch.models.activity import BandModel
from bandwatch.models.band_fitting import fit_band_model
from bandwatch.models.bundle import Bundle, shipped_bundle
from bandwatch.models.bundle_training import (
    BAND_MODEL_WINDOWS,
    HELD_OUT_DEFAULT,
    LIVE_STRIDE_ROWS,
    embed_all,
    geometry_of,
)
from bandwatch.models.training_windows import TRAINING_STRIDE_ROWS, cut_windows
from bandwatch.models.window_energy import EnergyTruth, energy_truth
from bandwatch.pipeline.frames import Float32, Window
from bandwatch.pipeline.named_scenes import scene_named
from bandwatch.pipeline.scene import Scene
from bandwatch.pipeline.simulator import Simulator

LEVEL = 0.95
LEAST_DB = 10.0
FEWEST_TOLD = 20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--bundle", type=Path, default=shipped_bundle())
    parser.add_argument("--windows", type=int, default=BAND_MODEL_WINDOWS, help="that are judged")
    parser.add_argument("--without-one", action="store_true")
    parser.add_argument("--seed", type=int, default=0, help="of the band that is fitted on")
    options = parser.parse_args()
    bundle = Bundle.load(options.bundle, device="cpu", threads=1)
    whole = scene_named("default", 0)
    print("| never heard | windows | novel | with most | novel | windows without | novel | with labels |")
    print("|---|---|---|---|---|---|---|---|")
    if not options.without_one:
        features, truths = heard(bundle, scene_named("strange", 0), options)
        novelty = fitted(bundle, whole, options.seed).assign(features)[2]
        for kind in sorted({kind for truth in truths for kind in truth.by_kind}):
            print(row(kind, novelty, features, truths, kind), flush=True)
        return
    features, truths = heard(bundle, whole, options)
    for number, emitter in enumerate(whole.emitters):
        rest = whole.emitters[:number] + whole.emitters[number + 1 :]
        model = fitted(bundle, dataclasses.replace(whole, emitters=rest), options.seed)
        novelty = model.assign(features)[2]
        print(row(f"{emitter.kind} ({number + 1})", novelty, features, truths, emitter.kind), flush=True)


def fitted(bundle: Bundle, scene: Scene, seed: int) -> BandModel:
    """The model of a scene's first 41 minutes."""
    windows = cut_windows(Simulator(seed, scene=scene).frames(), LIVE_STRIDE_ROWS)
    features = embed_all(bundle.embed, islice(windows, BAND_MODEL_WINDOWS))
    geometry = geometry_of(next(Simulator(seed, scene=scene).frames()))
    return fit_band_model(features, geometry, stride_rows=LIVE_STRIDE_ROWS)


def heard(bundle: Bundle, scene: Scene, options: argparse.Namespace) -> tuple[Float32, list[EnergyTruth]]:
    """The features of each of `options.windows` windows of a scene, and what it shows."""
    simulator = Simulator(HELD_OUT_DEFAULT + options.seed, scene=scene)
    truths: list[EnergyTruth] = []

    def watched() -> Iterator[Window]:
        for window in islice(cut_windows(simulator.frames(), TRAINING_STRIDE_ROWS), options.windows):
            truths.append(energy_truth(window, simulator.truth, scene.averaged_spectra))
            yield window

    return embed_all(bundle.embed, watched()), truths


def row(name: str, novelty: np.ndarray, features: Float32, truths: list[EnergyTruth], kind: str) -> str:
    """A row of the table."""
    shows = np.array([kind in truth.kinds for truth in truths])
    strong = np.array(
        [
            any(sent.kind == kind and sent.power_db >= LEAST_DB for sent, _ in truth.by_emission)
            for truth in truths
        ]
    )
    most = np.array([truth.main_kind == kind for truth in truths])
    cells = [name]
    for asked in (shows & strong, shows & strong & most, ~shows):
        share = f"{(novelty[asked] > LEVEL).mean():.0%}" if asked.any() else "-"
        cells += [str(int(asked.sum())), share]
    cells.append(with_labels(features, shows & strong, ~shows))
    return f"| {' | '.join(cells)} |"


def with_labels(features: Float32, shows: np.ndarray, is_without: np.ndarray) -> str:
    """The share found of the second half's windows by what was told of the first half's."""
    first = np.arange(len(features)) < len(features) // 2
    if min((shows & first).sum(), (shows & ~first).sum()) < FEWEST_TOLD or not is_without.any():
        return "-"
    told = first & (shows | is_without)
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=2000))
    model.fit(features[told], shows[told])
    limit = np.quantile(model.decision_function(features[~first & is_without]), LEVEL)
    return f"{(model.decision_function(features[~first & shows]) > limit).mean():.0%}"


if __name__ == "__main__":
    main()
