"""Why choosing inputs helps a CNN-LSTM, or does not: what it knows by heart, what it has lost, what is level.

    OMP_NUM_THREADS=1 python benchmarks/selected_forecasts_why.py [--seeds 1] [--columns 30:45] [--keep FILE]

ElectroSense Madrid, rows and forecasts as in `selected_forecasts.py`. For each set of columns and seed:

- `cnn-lstm`: of all 151 frequencies;
- `45, less 6`: trained again on the 45 frequencies of the greatest Grad-CAM, less the 6 least important of 48
  parts of the rows (the paper's numbers); `less 6` and `45`: one of the two alone;
- `45 and own`: as `45`, but the 15 columns that are forecast are always among them;
- `own`: on these 15 alone.

Printed for each, in dB: RMSE on the rows that it learned from and on the test rows; how much of the latter's
square is a constant error of each column (its level was wrong), and what RMSE would be without that, which
nobody can know before; how many of the 15 columns it reads. Nothing is chosen by it. Six trainings a set and
seed: some 100 s of processor. `--keep` has a line of JSON each; what is there is not made again.

`--same N` asks something else: how often Welch's t-test tells two seeds of one and the same CNN-LSTM apart
when its samples are the RMSEs of the test windows, and not trainings. N trainings a set.
"""

from __future__ import annotations

import argparse
import itertools
import json
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
from scipy.stats import ttest_ind
from selected_forecasts import COLUMNS, DEFAULT_DATA, RECORDING, TEST, TRAIN, Line, kept_lines

from bandwatch.explain.forecast_selection import Importance, training_map
from bandwatch.explain.selected_forecasters import SEGMENTS, SelectionBudget, fit_selected
from bandwatch.models.forecast_models import TRAINERS
from bandwatch.models.forecast_problem import FittedForecaster, TrainingWatch
from bandwatch.models.forecast_question import ForecastQuestion
from bandwatch.models.forecast_rows import ForecastRows
from bandwatch.models.forecast_split import ForecastSplit
from bandwatch.models.forecast_training import fit_network
from bandwatch.pipeline.replay import open_recording

PLAIN = "cnn-lstm"
AGAIN = {"45, less 6": (45, 6), "less 6": (151, 6), "45": (45, 0), "45 and own": (45, 0), "own": (15, 0)}
WHAT = ("learned", "test", "level", "without level", "own")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path(DEFAULT_DATA))
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--columns", nargs="+", default=COLUMNS)
    parser.add_argument("--epochs", type=int, default=70)
    parser.add_argument("--keep", type=Path, default=Path(tempfile.gettempdir()) / "selected_why.jsonl")
    parser.add_argument("--same", type=int, metavar="N")
    options = parser.parse_args()
    rows = ForecastRows.read(open_recording(options.data / RECORDING), None)
    for columns in options.columns:
        question = ForecastQuestion(rows, TRAIN, TEST, [slice(*map(int, columns.split(":")))])
        if options.same:
            show_same(question, columns, options)
            continue
        for seed in range(options.seeds):
            asked = {"columns": columns, "seed": seed, "epochs": options.epochs}
            if sum(asked.items() <= each.items() for each in kept_lines(options.keep)) < len(AGAIN) + 2:
                study(question, asked, options.keep)
    if options.same:
        return
    show([each for each in kept_lines(options.keep) if each["epochs"] == options.epochs])


def study(question: ForecastQuestion, asked: Line, keep: Path) -> None:
    (columns,) = question.columns
    problem, seed, epochs = question.problem(columns), asked["seed"], asked["epochs"]
    own = np.arange(columns.start, columns.stop)
    repeating = TRAINERS["repeat-last"](problem, 0, TrainingWatch())
    write(keep, asked | {"model": "repeat-last", "own": 15} | figures(question, repeating))
    plain = fit_network(PLAIN, problem, seed, TrainingWatch(), epochs=epochs)
    write(keep, asked | {"model": PLAIN, "own": 15} | figures(question, plain))
    split = ForecastSplit.of(problem.table, problem.outputs, validation_share=0)
    importance = Importance.of(training_map(plain.network, split, "grad-cam", seed), SEGMENTS)
    for name, (retained, dropped) in AGAIN.items():
        used = importance
        if "own" in name:
            first = importance.frequencies.copy()
            first[own] = np.inf
            used = replace(importance, frequencies=first)
        budget = SelectionBudget((retained,), (dropped,), epochs=epochs)
        made = fit_selected(name, "grad-cam", problem, seed, TrainingWatch(), budget, used)
        read = int(np.isin(own, made.selection.columns).sum())
        write(keep, asked | {"model": name, "own": read} | figures(question, made))


def show_same(question: ForecastQuestion, columns: str, options: argparse.Namespace) -> None:
    """RMSE of each test window by seed, and Welch's t-test of every two seeds over these windows."""
    (outputs,) = question.columns
    ((stretch),) = question.rows.grid()
    windows = []
    for seed in range(options.same):
        watch = TrainingWatch(
            options.keep.with_name(f"same-{outputs.start}-{seed}-{options.epochs}.safetensors")
        )
        fitted = fit_network(PLAIN, question.problem(outputs), seed, watch, epochs=options.epochs)
        error = fitted.forecasts(stretch.values, question.origins) - question.truth(outputs)
        windows.append(np.sqrt(np.square(error, dtype=np.float64).mean(axis=(1, 2))))
    for one, other in itertools.combinations(range(options.same), 2):
        test = ttest_ind(windows[one], windows[other], equal_var=False)
        change = windows[other].mean() / windows[one].mean() - 1
        print(
            f"{columns}: seeds {one} and {other}, {len(windows[one])} windows each: {change:+.2%}, "
            f"t {test.statistic:.2f}, p {test.pvalue:.2g}",
            flush=True,
        )


def figures(question: ForecastQuestion, fitted: FittedForecaster) -> Line:
    (columns,) = question.columns
    (stretch,) = question.rows.grid()
    learned = np.arange(TRAIN.start + 24, TRAIN.stop - 11)
    targets = learned[:, np.newaxis] + np.arange(12)
    known = fitted.forecasts(stretch.values, learned) - stretch.values[targets][:, :, columns]
    error = fitted.forecasts(stretch.values, question.origins) - question.truth(columns)
    level = error.mean(axis=(0, 1), dtype=np.float64)
    whole = np.square(error, dtype=np.float64).mean()
    return {
        "learned": float(np.sqrt(np.square(known, dtype=np.float64).mean())),
        "test": float(np.sqrt(whole)),
        "level": float(np.square(level).mean() / whole),
        "without level": float(np.sqrt(np.square(error - level, dtype=np.float64).mean())),
    }


def write(keep: Path, line: Line) -> None:
    with keep.open("a") as file:
        file.write(json.dumps(line) + "\n")


def show(lines: list[Line]) -> None:
    print("| columns | model | learned rows | test rows | level | without level | own columns read | seeds |")
    print("|---" * 8 + "|")
    for columns, name in dict.fromkeys((each["columns"], each["model"]) for each in lines):
        here = {each["seed"]: each for each in lines if (each["columns"], each["model"]) == (columns, name)}
        learned, test, level, without, own = (np.mean([e[what] for e in here.values()]) for what in WHAT)
        print(
            f"| {columns} | {name} | {learned:.3f} | {test:.3f} | {level:.0%} | {without:.3f} | {own:.1f} "
            f"| {len(here)} |"
        )


if __name__ == "__main__":
    main()
