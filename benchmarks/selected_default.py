"""Does the default forecaster gain by knowing what matters? By rolling origin inside the training rows alone.

    OMP_NUM_THREADS=1 python benchmarks/selected_default.py [--data ../shared/data] [--seeds 1] [--keep FILE]

The training rows of seven sets, of which the last half is tried in four parts, each forecast by a default
that is fitted, its mix and all, on the rows before. Beside it as it is:

- `K by ...`: only the K most important frequencies feed its `band` expert, which sees across frequencies;
- `less D by ...`: origins whose 36 rows touch the D lowest of 48 parts of the rows are not learned from;
- both together.

Frequencies by permutation (of the band expert's inputs, in the inner trials), by the default's own map, and
by Grad-CAM and SHAP of a CNN-LSTM (`--epochs`; trained for the first and the third trial). Parts by the
default's map and by Grad-CAM (the least looked at), by the fit (the worst) and by the band's components
(the most unusual). All of it is made of the rows before a trial. `chosen` is what had done best in the trials
before (in the first the default as it is). Prints RMSE as shares of repeat-last's, then of the default's.
`--keep` has a line of JSON for each set, seed and trial that is done.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from default_selections import (
    Float64,
    by_network,
    by_part,
    fit,
    of_columns,
    own_importance,
    read,
    without,
)

from bandwatch.explain.forecast_selection import Importance
from bandwatch.models.forecast_past import training_rows
from bandwatch.models.forecasters.default_inputs import InputReader, Inputs
from bandwatch.models.forecasters.default_mix import BASELINES
from bandwatch.models.forecasters.default_steady import SteadyDefault
from bandwatch.models.forecasters.period import find_period
from bandwatch.models.rolling_origin import rolling_folds
from bandwatch.models.step_table import StepTable, gather_steps
from bandwatch.pipeline.replay import open_recording

DEFAULT_DATA = os.environ.get("BANDWATCH_DATA") or Path(__file__).resolve().parents[2] / "shared" / "data"
MADRID = "electrosense-madrid/psd_db.csv"
SETS = {
    **{
        f"madrid {a}:{b}": (MADRID, 900.0, 1600, (a, b))
        for a, b in ((30, 45), (68, 83), (85, 100), (130, 145))
    },
    "nist": ("nist-lte-uplink/power_dbm_int8.npy", 1.0, 2929, None),
    "GAURI": ("callisto/GAURI.npz", 5.0, 648, None),
    "GREENLAND": ("callisto/GREENLAND.npz", 5.0, 756, None),
}
RETAINED, DROPPED, BOTH = (15, 30, 60), (2, 5, 10), 5
PLAIN = "default"
Line = dict[str, float]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path(DEFAULT_DATA))
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS))
    parser.add_argument("--keep", type=Path, default=Path(tempfile.gettempdir()) / "selected_default.jsonl")
    options = parser.parse_args()
    found: dict[tuple[str, int], list[Line]] = {}
    for seed in range(options.seeds):
        for name in options.sets:
            found[name, seed] = list(tried(name, seed, options))
    show(found)


def tried(name: str, seed: int, options: argparse.Namespace) -> Iterator[Line]:
    """A line a trial: each variant's squared error as a share of repeat-last's."""
    kept = options.keep.read_text().splitlines() if options.keep.exists() else []
    lines = {(each["set"], each["seed"], each["trial"]): each["shares"] for each in map(json.loads, kept)}
    file, step_s, rows, columns = SETS[name]
    (table,) = gather_steps([open_recording(options.data / file)], step_s=step_s)
    table = first_rows(table, rows)
    outputs = slice(*(columns or (0, table.values.shape[1])))
    values, origins = training_rows(table)
    looked: dict[str, Importance] = {}
    for number, fold in enumerate(rolling_folds(origins)):
        if (name, seed, number) not in lines:
            began = time.process_time()
            past = first_rows(table, int(origins[fold.trial[0]]))
            if number % 2 == 0 or not looked:
                looked = by_network(past, outputs, seed, options.epochs)
            shares = trial(past, values, origins[fold.trial], outputs, seed, looked)
            line = {"set": name, "seed": seed, "trial": number, "shares": shares}
            with options.keep.open("a") as kept_file:
                kept_file.write(json.dumps(line) + "\n")
            print(f"<!-- {name} {seed} {number}: {time.process_time() - began:.0f} s -->", flush=True)
            lines[name, seed, number] = shares
        yield lines[name, seed, number]


def first_rows(table: StepTable, rows: int) -> StepTable:
    return dataclasses.replace(
        table,
        values=table.values[:rows],
        end_ns=table.end_ns[:rows],
        breaks=tuple(each for each in table.breaks if each < rows),
        changes=tuple(each for each in table.changes if each < rows),
    )


def trial(
    past: StepTable,
    values: Float64,
    tried_origins: Float64,
    outputs: slice,
    seed: int,
    looked: dict[str, Importance],
) -> Line:
    """Everything is learned and chosen of `past`; `values` are asked at the origins behind it."""
    known, origins = training_rows(past)
    reader = InputReader(outputs, find_period(known, past.step_s))
    inputs, change = read(reader, known, origins)
    asked, came = read(reader, values, tried_origins)
    whole = float(np.square(came, dtype=np.float64).mean())
    columns = known.shape[1]
    every = np.arange(columns)

    def share(said: Float64) -> float:
        return float(np.square(said.astype(np.float64) - came).mean()) / whole

    first = fit(inputs, change, origins, reader, {PLAIN: every}, columns, seed)
    experts, mix, rise = first[PLAIN]
    shares = {PLAIN: share(experts.mixed(mix).change(asked))}
    for name, said in zip(experts.names, experts.changes(asked), strict=True):
        if name in BASELINES:
            shares[name] = share(said)
    fitted = SteadyDefault(
        past.frequencies_hz.astype(np.float64), past.unit, past.step_s, reader, experts.mixed(mix)
    )
    own = own_importance(fitted, known, origins, len(past.values), seed)
    orders = {"permutation": rise, "its map": own.frequencies}
    orders |= {way: each.frequencies for way, each in looked.items()}
    error = np.square(fitted.mixture.change(inputs) - change).mean(axis=(1, 2))
    unusual = np.square((inputs.band / fitted.mixture.band.scale) @ fitted.mixture.band.basis).sum(axis=1)
    lowest = {
        "its map": own.segments,
        "grad-cam": looked["grad-cam"].segments,
        "fit": -by_part(error, origins, len(past.values)),
        "components": -by_part(unusual, origins, len(past.values)),
    }
    few = {
        f"{number} by {way}": np.sort(np.argsort(-order, kind="stable")[:number])
        for way, order in orders.items()
        for number in RETAINED
        if number < columns
    }
    for name, (made, weights, _) in fit(inputs, change, origins, reader, few, columns, seed).items():
        shares[name] = share(made.mixed(weights).change(of_columns(asked, few[name], columns)))
    for way, order in lowest.items():
        for number in DROPPED:
            keep = without(origins, np.argsort(order, kind="stable")[:number], len(past.values))
            kept = Inputs(inputs.own[keep], inputs.band[keep], inputs.spread_db[keep])
            fed = {f"less {number} by {way}": every}
            if number == BOTH:
                partner = {"its map": "its map", "grad-cam": "grad-cam"}.get(way, "permutation")
                fed |= {f"{n} and {f}": few[n] for f in list(fed) for n in few if n.endswith(partner)}
            for name, (made, weights, _) in fit(
                kept, change[keep], origins[keep], reader, fed, columns, seed
            ).items():
                shares[name] = share(made.mixed(weights).change(of_columns(asked, fed[name], columns)))
    return shares


def chosen(lines: list[Line], names: list[str]) -> list[float]:
    """What had the least squared error in the trials before; the default in the first."""
    found = [lines[0][PLAIN]]
    for number in range(1, len(lines)):
        best = min((PLAIN, *names), key=lambda name: sum(line[name] for line in lines[:number]))
        found.append(lines[number][best])
    return found


def show(found: dict[tuple[str, int], list[Line]]) -> None:
    sets = list(dict.fromkeys(name for name, _ in found))
    seeds = max(seed for _, seed in found) + 1
    names = list(found[sets[0], 0][0])
    kinds = {
        "chosen K": [name for name in names if " by " in name and "less" not in name],
        "chosen D": [name for name in names if name.startswith("less")],
        "chosen K and D": [name for name in names if " and " in name],
        "chosen of all": [name for name in names if " by " in name],
    }

    def rmse(name: str, of: str, seed: int) -> float:
        lines = found[of, seed]
        if name in kinds:
            squares = chosen(lines, [each for each in kinds[name] if each in lines[0]])
        else:
            squares = [line.get(name, np.nan) for line in lines]
        return float(np.mean(squares) ** 0.5)

    print(f"\nRMSE as a share of repeat-last's, means of {seeds} seeds.\n")
    print("| | " + " | ".join(sets) + " |\n" + "|---" * (len(sets) + 1) + "|")
    for name in [each for each in (*BASELINES, PLAIN) if each in names]:
        cells = [np.mean([rmse(name, of, seed) for seed in range(seeds)]) for of in sets]
        print(f"| {name} | " + " | ".join("" if np.isnan(cell) else f"{cell:.3f}" for cell in cells) + " |")
    print("\nRMSE beside the default's, in percent; below 0 is better. `better`: of sets and seeds.\n")
    print("| | " + " | ".join(sets) + " | mean | worst | better |\n" + "|---" * (len(sets) + 4) + "|")
    for name in [*(each for each in names if " by " in each), *kinds]:
        ratios = np.array([[rmse(name, of, s) / rmse(PLAIN, of, s) - 1 for of in sets] for s in range(seeds)])
        cells = 100 * ratios.mean(axis=0)
        known = cells[np.isfinite(cells)]
        better = int((ratios < 0).sum()), int(np.isfinite(ratios).sum())
        print(
            f"| {name} | "
            + " | ".join("" if np.isnan(cell) else f"{cell:+.2f}" for cell in cells)
            + f" | {known.mean():+.2f} | {known.max():+.2f} | {better[0]}/{better[1]} |"
        )


if __name__ == "__main__":
    main()
