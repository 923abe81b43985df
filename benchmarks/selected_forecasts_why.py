"""Why choosing inputs helps a CNN-LSTM, or does not: what it knows by heart, what it has lost, what is level.

    OMP_NUM_THREADS=1 python benchmarks/selected_forecasts_why.py [--seeds 1] [--columns 30:45] [--keep FILE]

ElectroSense Madrid, rows and forecasts as in `selected_forecasts.py`. For each set of columns and seed:

- `cnn-lstm`: of all 151 frequencies;
- `45, less 6`: trained again on the 45 frequencies of the greatest Grad-CAM, less the 6 least important of 48
  parts of the rows (the paper's numbers); `less 6` and `45`: one of the two alone;
- `45 and own`: as `45`, but the 15 columns that are forecast are always among them;
- `own`: on these 15 alone.

Printed for each, in dB: RMSE on all training rows (those left out, too) and on the test rows; how much of the
latter's square is a constant error of each column (its level was wrong all along), and how much a constant
error of each window and column (its level was wrong there); RMSE without the former, which nobody can know
before; how many of the 15 columns it reads. Nothing is chosen by it. Six trainings a set and seed: some 100 s
of processor. `--keep` has a line of JSON each; what is there is not made again.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
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
WHAT = ("learned", "test", "level", "window level", "without level", "own")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path(DEFAULT_DATA))
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--columns", nargs="+", default=COLUMNS)
    parser.add_argument("--epochs", type=int, default=70)
    parser.add_argument("--keep", type=Path, default=Path(tempfile.gettempdir()) / "selected_why.jsonl")
    options = parser.parse_args()
    rows = ForecastRows.read(open_recording(options.data / RECORDING), None)
    for columns in options.columns:
        question = ForecastQuestion(rows, TRAIN, TEST, [slice(*map(int, columns.split(":")))])
        for seed in range(options.seeds):
            asked = {"columns": columns, "seed": seed, "epochs": options.epochs}
            if sum(asked.items() <= each.items() for each in kept_lines(options.keep)) < len(AGAIN) + 2:
                study(question, asked, options.keep)
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
        "window level": float(np.square(error.mean(axis=1, dtype=np.float64)).mean() / whole),
        "without level": float(np.sqrt(np.square(error - level, dtype=np.float64).mean())),
    }


def write(keep: Path, line: Line) -> None:
    with keep.open("a") as file:
        file.write(json.dumps(line) + "\n")


def show(lines: list[Line]) -> None:
    titles = (
        "columns | model | training rows | test rows | level | of windows | without level | own read | seeds"
    )
    print(f"| {titles} |\n" + "|---" * (titles.count("|") + 1) + "|")
    for columns, name in dict.fromkeys((each["columns"], each["model"]) for each in lines):
        here = {each["seed"]: each for each in lines if (each["columns"], each["model"]) == (columns, name)}
        means = {what: np.mean([each.get(what, np.nan) for each in here.values()]) for what in WHAT}
        shares = ("level", "window level")
        cells = [f"{mean:.0%}" if what in shares else f"{mean:.3g}" for what, mean in means.items()]
        print(f"| {columns} | {name} | {' | '.join(cells)} | {len(here)} |".replace("nan%", ""))


if __name__ == "__main__":
    main()
