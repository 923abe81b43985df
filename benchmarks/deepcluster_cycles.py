"""The paper's DeepCluster with a clustering each epoch and with one every 15: loss and truth.

    nice -n 5 python benchmarks/deepcluster_cycles.py --out cycles [--windows 4096] [--epochs 105] [--seeds 3]

For each seed and cycle an encoder learns from the same windows of varied simulated bands, not augmented
unless `--augmented` says so. Then its clusters (20 components, 24 clusters, fitted on the windows that are
judged) are compared with the truth, the emitter with most energy in a window, on bands that no training has
met: a day of the default band, and twelve varied bands; beside them those of an encoder before any training,
of hand-made features and of the encoder that ships. Prints each epoch's loss and the table; `--out` gets
`curves.png`, drawn as the first paper's figure 4, and a JSON file a training. A kill is no loss: the same
command goes on where it was, and a finished training is not done again.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.metrics import adjusted_mutual_info_score, normalized_mutual_info_score

from bandwatch.models.bundle import Bundle, shipped_bundle
from bandwatch.models.bundle_training import (
    DAY_STRIDE_ROWS,
    HELD_OUT_DEFAULT,
    day_of_windows,
    held_out_varied_windows,
    simulated_windows,
)
from bandwatch.models.clustering import fit_centres, fit_projection
from bandwatch.models.curve_figure import draw_curves
from bandwatch.models.deepcluster import DeepClusterConfig, Epoch, train_deepcluster
from bandwatch.models.encoder import Encoder, EncoderConfig, weights_of
from bandwatch.models.encoder_weights import Weights
from bandwatch.models.engine import open_engine
from bandwatch.models.representations import comparable
from bandwatch.models.tensor_file import write_atomically
from bandwatch.models.training_curves import TrainingCurves
from bandwatch.models.window_energy import energy_truth
from bandwatch.models.window_features import window_features
from bandwatch.pipeline.errors import BadInput
from bandwatch.pipeline.frames import Float32, Window
from bandwatch.pipeline.simulator import Simulator

CYCLES = (1, 15)
WINDOWS_A_BAND = 64
BANDS_OF_A_SEED = 1000  # bands are seeded one by one: those of two trainings are not to overlap
SLOWEST_EMITTER_WINDOWS = 6144  # at `DAY_STRIDE_ROWS`; fewer are farther apart, so that a day stays a day
Judged = tuple[Float32, list[str]]


def main() -> None:
    options = _options()
    torch.set_num_threads(options.threads)
    options.out.mkdir(parents=True, exist_ok=True)
    results: dict[str, list[dict[str, Any]]] = {"untrained": []}
    curves: dict[str, list[TrainingCurves]] = {f"clustering cycle of {cycle}": [] for cycle in CYCLES}
    judged: dict[str, Judged] | None = None
    for seed in range(options.seeds):
        windows = None
        for name, config in trainings(options, seed):
            file = options.out / f"{name}.json"
            settings = {"windows": options.windows, "judged": options.judged, **settings_of(config)}
            if not file.is_file() or json.loads(file.read_text())["settings"] != settings:
                if judged is None:
                    judged = held_out(options.judged)
                if windows is None:
                    bands = -(-options.windows // WINDOWS_A_BAND)
                    windows = simulated_windows(BANDS_OF_A_SEED * seed, bands, options.windows)
                found = train_and_judge(windows, config, options.out / f"{name}.checkpoint", name, judged)
                write_atomically(file, json.dumps({"settings": settings, **found}).encode())
                (options.out / f"{name}.checkpoint").unlink(missing_ok=True)
            found = json.loads(file.read_text())
            if not config.epochs:
                results["untrained"].append(found)
                continue
            results.setdefault(f"cycle {config.cycle}", []).append(found)
            epochs = [Epoch(**epoch) for epoch in found["epochs"]]
            curves[f"clustering cycle of {config.cycle}"].append(TrainingCurves(config.cycle, epochs))
            draw_curves(options.out / "curves.png", curves)
    report(results)
    beside(held_out(options.judged) if judged is None else judged, options.seeds)
    print(f"curves: {options.out / 'curves.png'}")


def trainings(options: argparse.Namespace, seed: int) -> list[tuple[str, DeepClusterConfig]]:
    """Names and configurations: no training at all, then one of each cycle."""
    whole = {
        "width": options.width,
        "augmented": options.augmented,
        "precision": options.precision,
        "seed": seed,
    }
    made = [(f"untrained-{seed}", DeepClusterConfig(epochs=0, **whole))]
    for cycle in CYCLES:
        config = DeepClusterConfig(cycle=cycle, epochs=options.epochs, **whole)
        made.append((f"cycle-{cycle}-{seed}", config))
    return made


def settings_of(config: DeepClusterConfig) -> dict[str, Any]:
    names = ("width", "cycle", "epochs", "augmented", "precision", "seed")
    return {name: getattr(config, name) for name in names}


def train_and_judge(
    windows: np.ndarray, config: DeepClusterConfig, checkpoint: Path, name: str, judged: dict[str, Judged]
) -> dict[str, Any]:
    """Epochs of a training and how far its clusters agree with the truth."""
    if not config.epochs:
        with torch.random.fork_rng():
            torch.manual_seed(config.seed)
            weights = weights_of(Encoder(EncoderConfig(config.width)))
        return {"epochs": [], "figures": {}, "agreement": agreement(weights, config, judged)}
    started = time.monotonic()

    def tell(epoch: Epoch) -> None:
        moved = "" if epoch.nmi is None else f", NMI {epoch.nmi:.3f}, {epoch.changed:.1%} changed"
        seconds = time.monotonic() - started
        print(f"{name} {epoch.number + 1}: loss {epoch.loss:.4f}{moved} ({seconds:.0f} s)", flush=True)

    trained = train_deepcluster(windows, config, checkpoint=checkpoint, on_epoch=tell)
    kept = ("number", "loss", "accuracy", "reclustered", "nmi", "changed", "size_entropy", "seconds")
    return {
        "epochs": [{name: getattr(epoch, name) for name in kept} for epoch in trained.epochs],
        "figures": trained.figures,
        "agreement": agreement(weights_of(trained.encoder), config, judged),
    }


def agreement(weights: Weights, config: DeepClusterConfig, judged: dict[str, Judged]) -> dict[str, float]:
    """NMI and AMI of clusters with the truth, on each set of windows."""
    embed = open_engine(weights, config.width, device="cpu", threads=1).embed
    features = {name: embed(windows) for name, (windows, _) in judged.items()}
    return agreement_of(features, judged, config.seed, whiten=True)


def agreement_of(
    features: dict[str, Float32], judged: dict[str, Judged], seed: int, *, whiten: bool
) -> dict[str, float]:
    found: dict[str, float] = {}
    for name, (_, kinds) in judged.items():
        points = fit_projection(features[name], 20, whiten=whiten).points(features[name])
        _, labels = fit_centres(points, DeepClusterConfig().clusters, seed)
        found[f"{name} nmi"] = float(normalized_mutual_info_score(kinds, labels))
        found[f"{name} ami"] = float(adjusted_mutual_info_score(kinds, labels))
    return found


def beside(judged: dict[str, Judged], seeds: int) -> None:
    """The same of what DeepCluster did not make, components as evaluation has them: not whitened."""
    shipped = Bundle.load(shipped_bundle(), device="cpu", threads=1)
    makers = {
        "hand-made": lambda windows: comparable(window_features(windows)),
        f"shipped, {shipped.name}": shipped.embed,
    }
    for name, make in makers.items():
        features = {each: make(windows) for each, (windows, _) in judged.items()}
        found = [agreement_of(features, judged, seed, whiten=False) for seed in range(seeds)]
        cells = [spread([run[column] for run in found]) for column in found[0]]
        print(f"| {name} | {' | '.join(cells)} | | | |")


def held_out(count: int) -> dict[str, Judged]:
    """Windows of bands that no training has met, each with the kind of most energy in it."""
    stride_rows = DAY_STRIDE_ROWS * max(1, SLOWEST_EMITTER_WINDOWS // count)
    return {
        "default": with_truth(day_of_windows(HELD_OUT_DEFAULT, count, stride_rows), count),
        "varied": with_truth(held_out_varied_windows(0, count), count),
    }


def with_truth(pairs: Iterable[tuple[Window, Simulator]], count: int) -> Judged:
    values: list[Float32] = []
    kinds: list[str] = []
    for window, simulator in islice(pairs, count):
        truth = energy_truth(window, simulator.truth, simulator.scene.averaged_spectra)
        values.append(window.values)
        kinds.append(truth.main_kind)
    return np.stack(values), kinds


def report(results: dict[str, list[dict[str, Any]]]) -> None:
    """Medians over the seeds, least and most in brackets."""
    trained = {name: runs for name, runs in results.items() if runs[0]["epochs"]}
    print("\nmedian loss by epoch")
    for name, runs in trained.items():
        losses = zip(*([epoch["loss"] for epoch in run["epochs"]] for run in runs), strict=True)
        print(f"{name}: {' '.join(f'{statistics.median(each):.3f}' for each in losses)}")
    columns = [*results["untrained"][0]["agreement"]]
    print(f"\n| | {' | '.join([*columns, 'final loss', 'last NMI(t, t-1)', 'head agreement'])} |")
    print(f"|---|{'---|' * (len(columns) + 3)}")
    for name, runs in results.items():
        cells = [spread([run["agreement"][column] for run in runs]) for column in columns]
        if name in trained:
            cells.append(spread([run["epochs"][-1]["loss"] for run in runs]))
            cells.append(spread([run["figures"]["nmi_final_clustering"] for run in runs]))
            cells.append(spread([run["figures"]["head_agreement"] for run in runs]))
        else:
            cells += [""] * 3
        print(f"| {name} | {' | '.join(cells)} |")


def spread(values: list[float]) -> str:
    return f"{statistics.median(values):.3f} ({min(values):.3f} to {max(values):.3f})"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder of curves and results")
    parser.add_argument("--windows", type=int, default=4096, help="to learn from, of each seed")
    parser.add_argument("--judged", type=int, default=2048, help="held-out windows of each kind of band")
    parser.add_argument("--epochs", type=int, default=105)
    parser.add_argument("--width", type=int, default=16)
    parser.add_argument("--seeds", type=int, default=3, help="how many, from 0 on")
    parser.add_argument("--augmented", action="store_true", help="change windows as `train clusters` does")
    parser.add_argument("--precision", choices=["auto", "float32", "bfloat16"], default="auto")
    parser.add_argument("--threads", type=int, default=1)
    return parser.parse_args()


if __name__ == "__main__":
    try:
        main()
    except BadInput as refusal:
        sys.exit(str(refusal))
