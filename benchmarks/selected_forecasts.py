"""The third paper's tables 2, 3 and 4: a CNN-LSTM that selects its inputs beside one that does not.

    OMP_NUM_THREADS=1 python benchmarks/selected_forecasts.py [--seeds 10] [--columns 30:45 ...] [--keep FILE]

ElectroSense Madrid, rows 0:1600 to learn from, every origin whose twelve targets lie in 1600:2000, four sets
of 15 columns. For each set and seed a CNN-LSTM is trained; Grad-CAM and SHAP say what it looks at; then it
is trained again, at the same budget:

- on the 15, 30 ... 120 frequencies of the greatest SHAP values (table 2);
- on the 45 of the greatest Grad-CAM, less the 6 least important of 48 parts of the rows: the paper's numbers,
  which it found on its test rows;
- as `gc-cnn-lstm` and `shap-cnn-lstm` choose both numbers inside the training rows (tables 3 and 4).

Prints the tables in Markdown, the baselines beside: means over seeds, and Welch's t-test of each against the
CNN-LSTM (t, p, 95 % interval of the improvement). `--keep` has a line of JSON for each training that is done,
and beside it, in FILE.work, where the one at work stands: what was killed, or asks for more seeds, goes
on there. Some ten minutes of processor a set and seed; `--models` names some. `--show FILE ...` trains
nothing: it prints what the lines of one or several such files say so far.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import ttest_ind

from bandwatch.explain.forecast_selection import Importance
from bandwatch.explain.selected_forecasters import SelectedForecaster, SelectionBudget, fit_selected
from bandwatch.models.checkpoint import forget_checkpoint
from bandwatch.models.forecast_models import BASELINES, TRAINERS
from bandwatch.models.forecast_problem import FittedForecaster, ForecastProblem, TrainingWatch
from bandwatch.models.forecast_question import ForecastQuestion
from bandwatch.models.forecast_rows import ForecastRows
from bandwatch.models.forecast_scores import ForecastScores
from bandwatch.pipeline.replay import open_recording

DEFAULT_DATA = os.environ.get("BANDWATCH_DATA") or Path(__file__).resolve().parents[2] / "shared" / "data"
RECORDING, TRAIN, TEST = "electrosense-madrid/psd_db.csv", slice(0, 1600), slice(1600, 2000)
COLUMNS = ("30:45", "68:83", "85:100", "130:145")
RETAINED = (15, 30, 45, 60, 75, 90, 105, 120)
PLAIN, PAPERS = "cnn-lstm", "gc 45, less 6"
BY_SHAP = {f"shap {number}": number for number in RETAINED}
CHOSEN = ("gc-cnn-lstm", "shap-cnn-lstm")
MODELS = (PLAIN, *BY_SHAP, PAPERS, *CHOSEN)

Line = dict[str, Any]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path(DEFAULT_DATA))
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--columns", nargs="+", default=COLUMNS)
    parser.add_argument("--models", nargs="+", choices=MODELS, default=MODELS)
    parser.add_argument("--epochs", type=int, default=70, help="the paper's; fewer prove only that it works")
    parser.add_argument("--trial-epochs", type=int, default=10, help="of what is trained to choose by")
    parser.add_argument("--keep", type=Path, default=Path(tempfile.gettempdir()) / "selected_forecasts.jsonl")
    parser.add_argument("--show", type=Path, nargs="+", metavar="FILE", help="print what is kept there")
    options = parser.parse_args()
    if options.show:
        show_kept([line for path in options.show for line in kept_lines(path)], options)
        return
    rows = ForecastRows.read(open_recording(options.data / RECORDING), None)
    names = [*BASELINES, *(name for name in MODELS if name in options.models or name == PLAIN)]
    lines = [
        line
        for columns in options.columns
        for line in measured(rows, columns, names, options, kept_lines(options.keep))
    ]
    show(lines, names, options.columns)


def kept_lines(path: Path) -> list[Line]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def show_kept(lines: list[Line], options: argparse.Namespace) -> None:
    budgets = {"epochs": options.epochs, "trial_epochs": options.trial_epochs}.items()
    # By what each is of: lines of several runs may say the same.
    found = {(e["columns"], e["model"], e["seed"]): e for e in lines if budgets <= e.items()}
    there = {model for _, model, _ in found}
    names = [name for name in (*BASELINES, *MODELS) if name in there]
    show([*found.values()], names, [each for each in COLUMNS if any(each == of for of, _, _ in found)])


def measured(
    rows: ForecastRows, columns: str, names: list[str], options: argparse.Namespace, kept: list[Line]
) -> Iterator[Line]:
    """A line for each model and seed; those that are kept are not made again."""
    question = ForecastQuestion(rows, TRAIN, TEST, [slice(*map(int, columns.split(":")))])
    question.check()
    looked_at: dict[tuple[str, int], Importance] = {}
    budgets = {"epochs": options.epochs, "trial_epochs": options.trial_epochs}
    for name in names:
        for seed in range(1 if name in BASELINES else options.seeds):
            asked = {"columns": columns, "model": name, "seed": seed, **budgets}
            line = next((each for each in kept if asked.items() <= each.items()), None)
            yield line or made(question, asked, options.keep, looked_at)


def made(
    question: ForecastQuestion, asked: Line, keep: Path, looked_at: dict[tuple[str, int], Importance]
) -> Line:
    """Train, forecast, score; one line more is kept. `looked_at`: what was found by way and seed."""
    (columns,) = question.columns
    stem = "-".join(map(str, asked.values())).replace(" ", "_").replace(":", "_")
    checkpoint = keep.with_name(f"{keep.name}.work") / f"{stem}.safetensors"
    key = way_of(asked["model"]), asked["seed"]
    trainer = trainer_of(asked, looked_at.get(key))
    fitted = trainer(question.problem(columns), asked["seed"], TrainingWatch(checkpoint))
    ((stretch),) = question.rows.grid()
    forecasts = fitted.forecasts(stretch.values, question.origins)
    scores = ForecastScores.of(forecasts, question.truth(columns))
    line = {**asked, "rmse": scores.rmse, "mape": scores.mape}
    if isinstance(fitted, SelectedForecaster):
        looked_at[key] = fitted.importance
        line |= {"retained": fitted.retained, "dropped": len(fitted.selection.dropped)}
        line["tried"] = [[*pair, rmse] for pair, rmse in fitted.tried.items()]
    with keep.open("a") as file:
        file.write(json.dumps(line) + "\n")
    forget_checkpoint(checkpoint)
    print(f"<!-- {stem}: {scores.rmse:.4f} -->", flush=True)
    return line


def way_of(name: str) -> str:
    return "grad-cam" if name.startswith("gc") else "shap"


def trainer_of(
    asked: Line, importance: Importance | None
) -> Callable[[ForecastProblem, int, TrainingWatch], FittedForecaster]:
    name, epochs = asked["model"], asked["epochs"]
    if name == PLAIN:
        from bandwatch.models.forecast_training import fit_network

        return lambda problem, seed, watch: fit_network(name, problem, seed, watch, epochs=epochs)
    if name in TRAINERS:
        return TRAINERS[name]
    budget = SelectionBudget(epochs=epochs, trial_epochs=asked["trial_epochs"])
    if name not in CHOSEN:
        numbers = ((BY_SHAP[name],), (0,)) if name in BY_SHAP else ((45,), (6,))
        budget = SelectionBudget(*numbers, epochs=epochs)
    return lambda problem, seed, watch: fit_selected(
        name, way_of(name), problem, seed, watch, budget, importance
    )


def show(lines: list[Line], names: list[str], sets: list[str]) -> None:
    def figures(name: str, columns: str, what: str) -> np.ndarray:
        return np.array([each[what] for each in lines if (each["model"], each["columns"]) == (name, columns)])

    most = max(len(figures(PLAIN, columns, "rmse")) for columns in sets)
    print(
        f"\nTables 2 and 3. RMSE in dB and MAPE, means over {most} seeds (or what is in brackets); below "
        "the CNN-LSTM's by so much.\n"
    )
    print("| model | " + " | ".join(f"{each}: RMSE | | MAPE (%) |" for each in sets))
    print("|---" * (1 + 3 * len(sets)) + "|")
    for name in names:
        cells = []
        for columns in sets:
            rmse, mape = (figures(name, columns, what) for what in ("rmse", "mape"))
            if not len(rmse):
                cells += ["", "", ""]
                continue
            below = 1 - rmse.mean() / figures(PLAIN, columns, "rmse").mean()
            few = f" ({len(rmse)})" if name not in BASELINES and len(rmse) < most else ""
            cells += [f"{rmse.mean():.4f}{few}", f"{below:+.2%}", f"{mape.mean():.2f}"]
        print(f"| {name} | " + " | ".join(cells) + " |")
    print("\nTable 4. Welch's t-test against the CNN-LSTM; improvements are shares of its mean.\n")
    print("| model | columns | seeds | of | improvement | 95 % interval | t | p | numbers chosen |")
    print("|---|---|---|---|---|---|---|---|---|")
    for name in names:
        for columns in sets:
            seeds = len(figures(name, columns, "rmse"))
            if name == PLAIN or name in BASELINES or min(seeds, len(figures(PLAIN, columns, "rmse"))) < 2:
                continue
            for what in ("rmse", "mape"):
                test = welch(*(figures(each, columns, what) for each in (PLAIN, name)))
                numbers = numbers_of(lines, name, columns)
                print(f"| {name} | {columns} | {seeds} | {what.upper()} | {test} | {numbers} |")

    show_tried(lines, sets)


def show_tried(lines: list[Line], sets: list[str]) -> None:
    """What the rolling origin saw: means over seeds, no test row among them."""
    for name in CHOSEN:
        by_number: dict[str, dict[str, list[float]]] = {}
        for line in (each for each in lines if each["model"] == name):
            tried = {(retained, dropped): rmse for retained, dropped, rmse in line["tried"]}
            best = min((rmse, retained) for (retained, dropped), rmse in tried.items() if not dropped)[1]
            for (retained, dropped), rmse in tried.items():
                here = by_number.setdefault(f"{retained}, 0" if not dropped else f"best, {dropped}", {})
                here.setdefault(line["columns"], []).append(rmse / tried[best, 0] if dropped else rmse)
        if not by_number:
            continue
        print(f"\n{name}: RMSE inside the training rows, in dB; of parts dropped, beside that of none.\n")
        print(f"| retained, dropped | {' | '.join(sets)} |\n|{'---|' * (1 + len(sets))}")
        for number in sorted(by_number, key=lambda each: (each[0] == "b", len(each), each)):
            form = "{:+.1%}" if number[0] == "b" else "{:.3f}"
            found = [by_number[number].get(columns) for columns in sets]
            cells = [form.format(np.mean(each) - (number[0] == "b")) if each else "" for each in found]
            print(f"| {number} | {' | '.join(cells)} |")


def welch(plain: np.ndarray, other: np.ndarray) -> str:
    test = ttest_ind(plain, other, equal_var=False)
    interval = test.confidence_interval(0.95)
    low, high, mean = (
        each / plain.mean() for each in (interval.low, interval.high, plain.mean() - other.mean())
    )
    return f"{mean:+.2%} | {low:+.2%} to {high:+.2%} | {test.statistic:.3f} | {test.pvalue:.2g}"


def numbers_of(lines: list[Line], name: str, columns: str) -> str:
    found = [each for each in lines if (each["model"], each["columns"]) == (name, columns)]
    counts = Counter((each["retained"], each["dropped"]) for each in found)
    return ", ".join(f"{n} x {more}/{fewer}" for (more, fewer), n in sorted(counts.items()))


if __name__ == "__main__":
    main()
