"""Every forecaster on the real recordings: RMSE on rows that nothing was learned from, with seeds.

    python benchmarks/forecast_table.py [--seeds 3] [--models all] [--sets all] [--work FOLDER]

As `bandwatch evaluate forecast` does it. ElectroSense Madrid learns from rows 0:1600 and forecasts
1600:2000, four sets of 15 columns; the others learn from the first 60 % of their rows and forecast the
rest, all columns; CALLISTO as means of 5 s. Prints a Markdown table, means over seeds, and how the default
stands beside the best of all others and beside the best baseline. What is finished is kept in the work
folder: a run that was killed, or that asks for more seeds, goes on there.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from bandwatch.explain.forecast_trainers import EVERY_TRAINER
from bandwatch.models.forecast_evaluation import EvaluationWatch, evaluate_forecasts, trainings
from bandwatch.models.forecast_models import BASELINES
from bandwatch.models.forecast_problem import Trainer
from bandwatch.models.forecast_question import ForecastQuestion
from bandwatch.models.forecast_rows import ForecastRows
from bandwatch.models.forecast_work import ForecastWork
from bandwatch.pipeline.replay import open_recording

DEFAULT_DATA = os.environ.get("BANDWATCH_DATA") or Path(__file__).resolve().parents[2] / "shared" / "data"
LEARNED_SHARE = 0.6


@dataclass(frozen=True)
class Subject:
    """A recording: its file, the steps it is averaged to, where learning ends, the columns forecast."""

    path: str
    step_s: float | None = None
    learned: int | None = None
    columns: tuple[tuple[int, int], ...] = ()

    def question(self, folder: Path) -> ForecastQuestion:
        """All columns where none are named."""
        rows = ForecastRows.read(open_recording(folder / self.path), self.step_s)
        learned = self.learned or round(LEARNED_SHARE * rows.count)
        columns = self.columns or ((0, rows.table.frequencies_hz.size),)
        return ForecastQuestion(
            rows, slice(0, learned), slice(learned, rows.count), [slice(*each) for each in columns]
        )


SUBJECTS = {
    "electrosense": Subject(
        "electrosense-madrid/psd_db.csv", None, 1600, ((30, 45), (68, 83), (85, 100), (130, 145))
    ),
    "nist": Subject("nist-lte-uplink/power_dbm_int8.npy"),
    "gauri": Subject("callisto/GAURI.npz", 5.0),
    "greenland": Subject("callisto/GREENLAND.npz", 5.0),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path(DEFAULT_DATA))
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "forecast_table.work")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--models", default="all", help="names with commas; the baselines are always beside")
    parser.add_argument("--sets", default="all", help=f"some of {', '.join(SUBJECTS)}")
    parser.add_argument("--json", type=Path, help="all figures")
    options = parser.parse_args()
    asked = options.models.split(",")
    models = {
        name: trainer
        for name, trainer in EVERY_TRAINER.items()
        if "all" in asked or name in asked or name in BASELINES
    }
    sets = [name for name in SUBJECTS if options.sets == "all" or name in options.sets.split(",")]
    columns: dict[str, dict[str, dict]] = {}
    for name in sets:
        columns |= measured(name, options.data, models, options.seeds, ForecastWork(options.work))
    print(markdown(columns))
    print()
    print("\n".join(standing(columns)))
    if options.json:
        options.json.write_text(json.dumps(columns, indent=1))


def measured(
    name: str, data: Path, models: Mapping[str, Trainer], seeds: int, work: ForecastWork
) -> dict[str, dict[str, dict]]:
    """Figures by set of columns and model."""
    question = SUBJECTS[name].question(data)
    shown = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*shown, console=Console(stderr=True), transient=True) as progress:
        whole = progress.add_task(name, total=trainings(question, models, seeds))
        epochs = progress.add_task("", total=None)
        watch = EvaluationWatch(
            on_model=lambda what: progress.reset(epochs, description=what, total=None),
            on_epoch=lambda done, of: progress.update(epochs, completed=done, total=of),
            on_answers=lambda: progress.advance(whole),
        )
        record = evaluate_forecasts(question, models, seeds, work, watch).record()
    several = len(record["column_sets"]) > 1
    return {
        f"{name} {each['columns'][0]}:{each['columns'][1]}" if several else name: each["models"]
        for each in record["column_sets"]
    }


def markdown(columns: dict[str, dict[str, dict]]) -> str:
    """RMSE by model and set, its standard deviation over seeds behind it; the lowest of a set is bold."""
    lines = [f"| model | {' | '.join(columns)} |", "|---" * (len(columns) + 1) + "|"]
    lowest = {title: min(each["rmse"] for each in models.values()) for title, models in columns.items()}
    for name in next(iter(columns.values())):
        cells = []
        for title, models in columns.items():
            figures = models[name]
            cell = f"{figures['rmse']:.4f}"
            if figures["rmse"] == lowest[title]:
                cell = f"**{cell}**"
            spread = figures["rmse_std"]
            cells.append(cell if spread is None else f"{cell} ± {spread:.4f}")
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def standing(columns: dict[str, dict[str, dict]]) -> list[str]:
    """The default beside the best of all others, set by set, and beside the best baseline."""
    if any("default" not in models for models in columns.values()):
        return []
    lines, below = [], []
    for title, models in columns.items():
        rmse = {name: figures["rmse"] for name, figures in models.items()}
        own = rmse.pop("default")
        best = min(rmse, key=rmse.__getitem__)
        simple = min((name for name in rmse if name in BASELINES), key=rmse.__getitem__)
        below.append(1 - own / rmse[simple])
        lines.append(
            f"- {title}: {own / rmse[best] - 1:+.2%} beside the best of all others, {best}; "
            f"{own / rmse[simple] - 1:+.2%} beside the best baseline, {simple}"
        )
    return [*lines, f"- On average {np.mean(below):.2%} below the best baseline"]


if __name__ == "__main__":
    main()
