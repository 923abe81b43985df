"""Whether Grad-CAM and SHAP find the frequency that all others follow, on twenty CNN-LSTMs; and how the
frequency axis of Grad-CAM is best made.

    OMP_NUM_THREADS=1 python benchmarks/planted_frequency.py [--seeds 20] [--opposed] [--keep FILE.jsonl]

Prints three tables. The first is of a network made by hand, whose answer is known: how far the frequencies'
shares of a step are from it (0 to 1, mean), by each way of making them, and how much goes to a frequency that
is heard and not used and to one that hardly moves. Then, for each seed, a CNN-LSTM is trained (200 batches of
32) on rows of 16 frequencies of which one does what all others do twelve steps later: how often that one is
first, how far before the next, rank correlation with permutation and occlusion importance and with the same
network's after its weights were shuffled, the leader's share there (chance 0.06), and how much more the
leader's row of the global map has while it sends than while it does not. `--opposed`: every other follower
falls where the leader rose. The third table is the sanity of the four measures that
reports show: agreement with permutation and occlusion, with themselves once the weights were shuffled, and
the planted frequency found. `--keep`: a line of JSON a seed; seeds that are in it are not made again. Two or
three minutes of processor.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from scipy.stats import spearmanr
from torch import nn

from bandwatch.explain.convolution_watch import watching
from bandwatch.explain.forecast_checks import PlantedLeader, shuffled
from bandwatch.explain.frozen_network import FrozenNetwork
from bandwatch.explain.global_map import global_map
from bandwatch.explain.grad_cam import GradCam
from bandwatch.explain.importance import Asked, occlusion_importance, permutation_importance
from bandwatch.explain.sanity import TITLES, SanityChecks, sanity_rows
from bandwatch.explain.shap import ExpectedGradients, frequency_importance
from bandwatch.models.forecasters.cnn_lstm_network import CnnLstmConfig, CnnLstmNetwork

FREQUENCIES, ROWS, BATCHES = 16, 900, 200
ORIGINS = np.arange(24, ROWS - 11, 3)
CHOSEN = "Grad-CAM: |x g|"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--opposed", action="store_true")
    parser.add_argument("--keep", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    show_known()
    kept = {}
    if options.keep is not None and options.keep.exists():
        lines = map(json.loads, options.keep.read_text().splitlines())
        kept = {line["seed"]: line["found"] for line in lines if line["opposed"] == options.opposed}
    for seed in range(options.seeds):
        if seed in kept:
            continue
        kept[seed] = study(seed, options.opposed)
        if options.keep is not None:
            with options.keep.open("a") as file:
                line = {"seed": seed, "opposed": options.opposed, "found": kept[seed]}
                file.write(json.dumps(line) + "\n")
    show([kept[seed] for seed in range(options.seeds)])
    show_sanity([kept[seed] for seed in range(options.seeds)])


class Known(nn.Module):
    """The target is the mean over steps of the sum of w x; each x comes by two filters, one for each sign.

    A frequency that no output uses is heard by the loudest filter, and one that is used much hardly moves.
    """

    weights = np.array([1.0, -0.5, 0.25, 0.0, 4.0])
    loud, still = 3, 4

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv1d(5, 11, 1, bias=False)
        with torch.no_grad():
            self.conv.weight.zero_()
            for frequency in range(5):
                self.conv.weight[2 * frequency, frequency] = 1
                self.conv.weight[2 * frequency + 1, frequency] = -1
            self.conv.weight[10, self.loud] = 50

    def forward(self, x):
        filters = torch.relu(self.conv(x.transpose(1, 2))).mean(dim=2)  # [n, 11]
        moved = filters[:, 0:10:2] - filters[:, 1:10:2]
        return (moved @ torch.from_numpy(self.weights).to(moved))[:, None, None]


def show_known() -> None:
    histories = np.random.default_rng(0).normal(size=(400, 24, 5)).astype(np.float32)
    histories[:, :, Known.still] *= 0.01
    network = Known()
    answer = shares(np.abs(histories * Known.weights))
    print("| made by hand | distance from the answer | to the unused | to the still |\n|---|---|---|---|")
    for name, maps in grad_cams(network, network.conv, histories).items():
        found = shares(maps)
        seen = maps.any(axis=2)
        away = np.abs(found - answer)[seen].sum(axis=1).mean() / 2
        unused, still = (maps[:, :, place].sum() / maps.sum() for place in (Known.loud, Known.still))
        print(f"| {name} | {away:.2f} | {unused:.2f} | {still:.2f} |")
    print(flush=True)


def grad_cams(network, first_layer, histories):
    """Maps [n, 24, F] by every way of giving Grad-CAM a frequency axis; g: the target's gradient by x."""
    cam, frozen = GradCam(network), FrozenNetwork(network)
    steps = cam.steps(histories)[:, :, None]
    gradients = frozen.gradients(frozen.tensor(histories)).numpy()
    kernels = first_layer.weight.detach().abs().sum(dim=(0, 2)).numpy()
    return {
        "Grad-CAM: alike": steps.repeat(histories.shape[2], axis=2) / histories.shape[2],
        "Grad-CAM: |first kernels|": steps * shares(np.broadcast_to(kernels, histories.shape)),
        "Grad-CAM: |g|": steps * shares(np.abs(gradients)),
        CHOSEN: cam.attribute(histories),
        "Grad-CAM: max(x g, 0)": steps * shares(np.maximum(histories * gradients, 0)),
        "Grad-CAM: |x dL/dx|": steps * shares(np.abs(histories * by_map(network, histories))),
        "Grad-CAM times |x g|": steps * np.abs(histories * gradients),
        "|x g| alone": np.abs(histories * gradients),
    }


def shares(values):
    whole = values.sum(axis=2, keepdims=True)
    return np.divide(values, whole, out=np.zeros(values.shape), where=whole > 0)


def by_map(network, histories):
    """The gradient by the input of the one-dimensional map's sum, its channel weights held still."""
    frozen = FrozenNetwork(network)
    inputs = frozen.tensor(histories).requires_grad_()
    with watching(frozen.network) as watch:
        targets = frozen.targets(inputs)
        output, _ = watch.last(frozen.name)
    (to_output,) = torch.autograd.grad(targets.sum(), output, retain_graph=True)
    coarse = torch.relu((to_output.mean(dim=2, keepdim=True) * torch.relu(output)).sum(dim=1))
    (gradient,) = torch.autograd.grad(coarse.sum(), inputs)
    return gradient.numpy()


def study(seed, opposed):
    """Of each measure, what the table has of one seed."""
    planted = PlantedLeader.make(seed, rows=ROWS, frequencies=FREQUENCIES, opposed=opposed)
    values, leader = planted.values, planted.leader
    network = trained(values, seed)
    without_gradients = by_asking(network, values)
    permutation, occlusion = without_gradients.values()
    forgot = shuffled(network, seed)
    forgotten = maps_of(forgot, values)
    found = {}
    for name, maps in maps_of(network, values).items():
        importance, without = frequency_importance(maps), frequency_importance(forgotten[name])
        rows = ORIGINS if len(maps) == len(ORIGINS) else ORIGINS[::4]
        whole = global_map(np.abs(maps), rows - 24, ROWS)[:, leader]
        on = planted.on & np.isfinite(whole)
        off = ~planted.on & np.isfinite(whole)
        found[name] = figures(importance, leader, permutation, occlusion) | {
            "forgotten": spearman(importance, without),
            "forgotten share": float(without[leader] / without.sum()) if without.any() else 0.0,
            "while sending": float(whole[on].mean() / whole[off].mean()),
        }
    for name, without in by_asking(forgot, values).items():
        found[name] = figures(without_gradients[name], leader, permutation, occlusion)
        found[name]["forgotten"] = spearman(without_gradients[name], without)
    return found


def by_asking(network, values):
    """Importance without gradients."""
    asked = Asked.of_network(network, values, ORIGINS, slice(0, FREQUENCIES))
    return {
        "permutation": permutation_importance(asked),
        "occlusion": occlusion_importance(asked, np.zeros(FREQUENCIES, np.float32)),
    }


def maps_of(network, values):
    histories = values[ORIGINS[:, None] + np.arange(-24, 0)]
    explainer = ExpectedGradients(network, histories[::10], samples=32)
    maps = grad_cams(network, network.conv1, histories)
    return maps | {"SHAP": explainer.attribute(histories[::4])}


def figures(importance, leader, permutation, occlusion):
    others = np.delete(importance, leader)
    return {
        "rank": int((others >= importance[leader]).sum()),
        "before the next": float(importance[leader] / others.max()),
        "permutation": spearman(importance, permutation),
        "occlusion": spearman(importance, occlusion),
    }


def spearman(one, other):
    """NaN where either is all the same."""
    return float(spearmanr(one, other).statistic) if np.ptp(one) and np.ptp(other) else float("nan")


def trained(values, seed):
    torch.manual_seed(seed)
    network = CnnLstmNetwork(CnnLstmConfig(FREQUENCIES, FREQUENCIES)).train()
    optimizer = torch.optim.Adam(network.parameters(), lr=3e-3)
    rows = torch.from_numpy(values)
    for _ in range(BATCHES):
        windows = rows[torch.randint(0, ROWS - 36, (32, 1)) + torch.arange(36)]
        optimizer.zero_grad()
        nn.functional.mse_loss(network(windows[:, :24]), windows[:, 24:]).backward()
        optimizer.step()
    return network.eval()


def show(studies) -> None:
    columns = ("before the next", "permutation", "occlusion", "forgotten", "forgotten share", "while sending")
    print("| measure | first | " + " | ".join(columns) + " |\n|" + "---|" * (2 + len(columns)))
    for name in studies[0]:
        each = [found[name] for found in studies]
        first = sum(figures["rank"] == 0 for figures in each)
        cells = [median([figures.get(column, np.nan) for figures in each]) for column in columns]
        print(f"| {name} | {first} of {len(each)} | " + " | ".join(cells) + " |")


def show_sanity(studies) -> None:
    """The four measures of a report; medians."""
    checks = {}
    for title, name in (
        ("Grad-CAM", CHOSEN),
        *((name, name) for name in ("SHAP", "permutation", "occlusion")),
    ):
        each = [found[name] for found in studies]
        medians = [
            middle([found[what] for found in each]) for what in ("permutation", "occlusion", "forgotten")
        ]
        checks[title] = SanityChecks(*medians, sum(found["rank"] == 0 for found in each), len(each))
    print("\n| " + " | ".join(TITLES) + " |\n|" + "---|" * len(TITLES))
    for name, cells in sanity_rows(checks).items():
        print(f"| {name} | " + " | ".join(cells) + " |")


def median(values):
    return f"{middle(values):.2f}" if np.isfinite(values).any() else ""


def middle(values):
    known = [value for value in values if np.isfinite(value)]
    return float(np.median(known)) if known else float("nan")


if __name__ == "__main__":
    main()
