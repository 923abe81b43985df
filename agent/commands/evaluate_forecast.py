"""`bandwatch evaluate forecast`: how good forecasts are, beside what anybody would try first."""

from __future__ import annotations

import difflib
import io
import json
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from ...pipeline.errors import BadInput
from ...pipeline.recording import Recording
from ...pipeline.replay import open_recording
from .forecast_table import tell_forecasts
from .result_files import keep_apart, write_result

if TYPE_CHECKING:
    from ...models.forecast_evaluation import ForecastEvaluation
    from ...models.forecast_problem import Trainer
    from ...models.forecast_question import ForecastQuestion

Part = tuple[int, int | None]


def evaluate_forecast_command(
    data: Annotated[str, typer.Option(metavar="FILE", help="A recording of one band, spectra or IQ.")],
    train_rows: Annotated[
        str, typer.Option(metavar="A:B", help="Learn from these rows only: from A on, before B.")
    ],
    test_rows: Annotated[str, typer.Option(metavar="C:D", help="Forecast where all targets lie here.")],
    json_path: Annotated[Path, typer.Option("--json", metavar="OUT", help="The figures.")],
    predictions: Annotated[
        Path | None, typer.Option(metavar="OUT.npz", help="The forecasts, for others to score.")
    ] = None,
    step_seconds: Annotated[
        float | None,
        typer.Option(min=1e-3, max=86_400, help="Average rows to steps; without it each row is a step."),
    ] = None,
    out_columns: Annotated[
        list[str] | None,
        typer.Option(metavar="I:J", help="Forecast these columns; again for more sets. All by default."),
    ] = None,
    models: Annotated[
        str, typer.Option(metavar="LIST|all", help="Names with commas. The baselines are always beside.")
    ] = "all",
    seeds: Annotated[int, typer.Option(min=1, max=100, help="Train with so many; figures are means.")] = 1,
    steps: Annotated[int, typer.Option(help="Of history: 24, as the networks are built.")] = 24,
    horizon: Annotated[int, typer.Option(help="Score so many of the 12 steps that each forecast has.")] = 12,
    figures: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="The third paper's figures 2 to 6, and its tables."),
    ] = None,
    work: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Keep what is finished here; by default in OUT.work until the end."),
    ] = None,
) -> None:
    """Train forecasters on some rows of a recording; tell how far off they are on others.

    A run that was killed goes on where it was when it is started again.

    Example: bandwatch evaluate forecast --data psd_db.csv --train-rows 0:1600 --test-rows 1600:2000
    --out-columns 30:45 --models default --json figures.json --predictions forecasts.npz
    """
    train, test = _part("--train-rows", train_rows), _part("--test-rows", test_rows)
    columns = [_part("--out-columns", each) for each in out_columns or [":"]]
    keep_apart(json_path, predictions, [Path(data)])
    _check_folders(figures, work)
    if steps != 24:
        raise BadInput(f"--steps {steps}: limit: 24, what the networks are built for")
    recording = open_recording(data)

    from ...models.forecast_evaluation import EvaluationWatch, evaluate_forecasts, trainings
    from ...models.forecast_question import ForecastQuestion
    from ...models.forecast_rows import ForecastRows
    from ...models.forecast_work import ForecastWork

    chosen = _chosen(models)
    with _progress() as progress:
        reading = progress.add_task("reading rows", total=recording.rows)
        rows = ForecastRows.read(recording, step_seconds, on_row=lambda: progress.advance(reading))
        progress.remove_task(reading)
        frequencies = rows.table.frequencies_hz.size
        question = ForecastQuestion(
            rows,
            _slice("--train-rows", train, rows.count),
            _slice("--test-rows", test, rows.count),
            [_slice("--out-columns", each, frequencies) for each in columns],
            horizon,
        )
        question.check()
    kept = ForecastWork(work or json_path.with_name(f"{json_path.name}.work"))
    with kept.for_one_run() if work is None else nullcontext():
        with _progress() as progress:
            whole = progress.add_task("trainings", total=trainings(question, chosen, seeds))
            epochs = progress.add_task("", total=None)
            evaluation = evaluate_forecasts(
                question,
                chosen,
                seeds,
                kept,
                EvaluationWatch(
                    on_model=lambda name: progress.reset(epochs, description=name, total=None),
                    on_epoch=lambda done, of: progress.update(epochs, completed=done, total=of),
                    on_answers=lambda: progress.advance(whole),
                ),
            )
        _tell_problems(recording, question)
        record = evaluation.record()
        record["data"] |= {"path": data}
        if predictions is not None:
            _write_predictions(predictions, evaluation)
        if figures is not None:
            from ...models.forecast_figures import draw_forecast_figures

            draw_forecast_figures(figures, evaluation)
        write_result(json_path, (json.dumps(record, indent=1, allow_nan=False) + "\n").encode())
    tell_forecasts(record, figures)


def _part(option: str, text: str) -> Part:
    """A:B, half-open; what is left out is the first or the end."""
    first, colon, end = text.partition(":")
    numbers = [each.strip() for each in (first, end)]
    if not colon or not all(each == "" or (each.isascii() and each.isdigit()) for each in numbers):
        raise BadInput(f"{option} {text}: limit: two whole numbers A:B, the second not included")
    start, stop = int(numbers[0] or 0), int(numbers[1]) if numbers[1] else None
    if stop is not None and stop <= start:
        raise BadInput(f"{option} {text}: holds nothing; limit: A:B with A below B")
    return start, stop


def _slice(option: str, part: Part, count: int) -> slice:
    start, stop = part[0], count if part[1] is None else part[1]
    if start >= count:
        raise BadInput(f"{option} {start}:{'' if part[1] is None else stop}: the data has {count}, from 0 on")
    return slice(start, stop)


def _chosen(names: str) -> dict[str, Trainer]:
    """The baselines and what was asked for, in the order of the register."""
    from ...models.forecast_models import BASELINES, TRAINERS

    wanted = [name.strip() for name in names.split(",") if name.strip()]
    if not wanted:
        raise BadInput(f"--models: names none; limit: all, or some of {', '.join(TRAINERS)}")
    for name in wanted:
        if name != "all" and name not in TRAINERS:
            near = difflib.get_close_matches(name, TRAINERS, 1)
            hint = f"; the nearest is {near[0]}" if near else ""
            raise BadInput(f"--models {name}: is not one{hint}; limit: all, {', '.join(TRAINERS)}")
    return {
        name: trainer
        for name, trainer in TRAINERS.items()
        if "all" in wanted or name in wanted or name in BASELINES
    }


def _check_folders(figures: Path | None, work: Path | None) -> None:
    for option, folder in (("--figures", figures), ("--work", work)):
        if folder is None:
            continue
        if folder.exists() and not folder.is_dir():
            raise BadInput(f"{option} {folder}: is a file; limit: a folder")
        if not folder.parent.is_dir():
            raise BadInput(f"{option} {folder}: the folder {folder.parent} does not exist")


def _tell_problems(recording: Recording, question: ForecastQuestion) -> None:
    console = Console(stderr=True, highlight=False, soft_wrap=True, markup=False)
    for problem in recording.problems:
        console.print(f"problem: {recording.path}: {problem}")
    if recording.bins > question.rows.table.frequencies_hz.size:
        console.print(
            f"{recording.bins} columns were averaged to {question.rows.table.frequencies_hz.size}; "
            "--out-columns counts these"
        )
    if recording.iq is not None and recording.iq.facts.channels > 1:
        console.print(f"channel 0 of {recording.iq.facts.channels}")


def _write_predictions(path: Path, evaluation: ForecastEvaluation) -> None:
    content = io.BytesIO()
    arrays: dict[str, Any] = {"origins": evaluation.question.origins, **evaluation.predictions()}
    np.savez(content, **arrays)
    write_result(path, content.getvalue())


@contextmanager
def _progress() -> Iterator[Progress]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        yield progress
