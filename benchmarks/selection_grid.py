"""The third paper's figures 9 and 10: the GC-CNN-LSTM's error by what was retained and what was dropped.

    OMP_NUM_THREADS=1 python benchmarks/selection_grid.py --out FOLDER [--columns 85:100] [--seeds 1]

A CNN-LSTM is trained once a seed and Grad-CAM says what it looks at; then it is trained again, at the paper's
budget, on the 15, 30 ... 120 frequencies of the greatest importance, less the 0, 1 ... 10 least important of
48 parts of the rows: 88 trainings, 16 s of processor each. ElectroSense Madrid, rows and forecasts as in
`selected_forecasts.py`.

As in the paper these are errors on TEST rows. They show what the choice would be worth to somebody who knew
the future: `gc-cnn-lstm` never sees them, it chooses inside the training rows.

FOLDER has a line of JSON for each training that is done (`selection-grid.jsonl`), where a killed run goes on.
`selected_forecast_figures.py` draws what is there, be it all or not; numbers are tried in the order given.
"""

from __future__ import annotations

import argparse
import itertools
import json
from pathlib import Path

import numpy as np
from selected_forecasts import DEFAULT_DATA, RECORDING, RETAINED, TEST, TRAIN, Line, kept_lines

from bandwatch.explain.forecast_selection import Importance
from bandwatch.explain.selected_forecasters import SelectionBudget, fit_selected
from bandwatch.models.checkpoint import forget_checkpoint
from bandwatch.models.forecast_problem import TrainingWatch
from bandwatch.models.forecast_question import ForecastQuestion
from bandwatch.models.forecast_rows import ForecastRows
from bandwatch.models.forecast_scores import ForecastScores
from bandwatch.pipeline.replay import open_recording

DROPPED = tuple(range(11))
LINES_FILE = "selection-grid.jsonl"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path(DEFAULT_DATA))
    parser.add_argument("--out", type=Path, required=True, help="a folder")
    parser.add_argument("--columns", nargs="+", default=["85:100"])
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--epochs", type=int, default=70, help="the paper's; fewer prove only that it works")
    parser.add_argument("--retained", type=int, nargs="+", default=RETAINED)
    parser.add_argument("--dropped", type=int, nargs="+", default=DROPPED)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    rows = ForecastRows.read(open_recording(options.data / RECORDING), None)
    for columns in options.columns:
        question = ForecastQuestion(rows, TRAIN, TEST, [slice(*map(int, columns.split(":")))])
        question.check()
        for seed in range(options.seeds):
            measure(question, columns, seed, options)


def measure(question: ForecastQuestion, columns: str, seed: int, options: argparse.Namespace) -> None:
    """A line for each pair of numbers; those that are kept are not made again."""
    path = options.out / LINES_FILE
    kept = kept_lines(path)
    importance: Importance | None = None
    for dropped, retained in itertools.product(options.dropped, options.retained):
        asked = {"columns": columns, "seed": seed, "epochs": options.epochs}
        asked |= {"retained": retained, "dropped": dropped}
        if any(asked.items() <= each.items() for each in kept):
            continue
        importance = importance or importance_of(question, columns, seed, options)
        line = asked | scores_of(question, asked, importance, path)
        with path.open("a") as file:
            file.write(json.dumps(line) + "\n")
        print(f"{columns} seed {seed}, {retained} less {dropped}: {line['rmse']:.4f}", flush=True)


def importance_of(
    question: ForecastQuestion, columns: str, seed: int, options: argparse.Namespace
) -> Importance:
    """Of the first training: made once and kept, so that a killed run goes on with the same."""
    stem = f"importance-{columns.replace(':', '-')}-{seed}-{options.epochs}"
    path = options.out / f"{stem}.npz"
    if not path.exists():
        budget = SelectionBudget((max(options.retained),), (0,), epochs=options.epochs)
        (outputs,) = question.columns
        fitted = fit_selected(
            "gc-cnn-lstm", "grad-cam", question.problem(outputs), seed, TrainingWatch(), budget
        )
        whole = path.with_name(f"{stem}.part.npz")
        np.savez(whole, frequencies=fitted.importance.frequencies, segments=fitted.importance.segments)
        whole.replace(path)
    with np.load(path) as found:
        return Importance(found["frequencies"], found["segments"])


def scores_of(question: ForecastQuestion, asked: Line, importance: Importance, path: Path) -> Line:
    checkpoint = path.with_name(f"{path.name}.work") / ("-".join(map(str, asked.values())) + ".safetensors")
    checkpoint = checkpoint.with_name(checkpoint.name.replace(":", "_"))
    budget = SelectionBudget((asked["retained"],), (asked["dropped"],), epochs=asked["epochs"])
    (columns,) = question.columns
    fitted = fit_selected(
        "gc-cnn-lstm",
        "grad-cam",
        question.problem(columns),
        asked["seed"],
        TrainingWatch(checkpoint),
        budget,
        importance,
    )
    ((stretch),) = question.rows.grid()
    scores = ForecastScores.of(fitted.forecasts(stretch.values, question.origins), question.truth(columns))
    forget_checkpoint(checkpoint)
    return {"rmse": scores.rmse, "mape": scores.mape, "gone": len(fitted.selection.dropped)}


if __name__ == "__main__":
    main()
