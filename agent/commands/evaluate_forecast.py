"""`bandwatch evaluate forecast`: how good forecasts are, beside what anybody would try first."""

from __future__ import annotations

import io
import json
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer

from ...pipeline.errors import BadInput
from ...pipeline.noise_floor import OCCUPIED_ABOVE_FLOOR_DB
from ...pipeline.replay import open_recording
from .forecast_options import check_question, chosen_models, part_of, progress_bars, slice_of, tell_problems
from .forecast_table import tell_forecasts
from .result_files import keep_apart, write_result

if TYPE_CHECKING:
    from ...models.forecast_evaluation import ForecastEvaluation


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
        str,
        typer.Option(
            metavar="LIST|all",
            help="Names with commas. The baselines are always beside. gc-cnn-lstm and shap-cnn-lstm "
            "train 30 networks each, two thirds of the time that all takes.",
        ),
    ] = "all",
    seeds: Annotated[int, typer.Option(min=1, max=100, help="Train with so many; figures are means.")] = 1,
    steps: Annotated[int, typer.Option(help="Of history: 24, as the networks are built.")] = 24,
    horizon: Annotated[int, typer.Option(help="Score so many of the 12 steps that each forecast has.")] = 12,
    idle_margin_db: Annotated[
        float,
        typer.Option(min=0, max=100, help="A channel is idle below the noise floor plus this."),
    ] = OCCUPIED_ABOVE_FLOOR_DB,
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
    train, test = part_of("--train-rows", train_rows), part_of("--test-rows", test_rows)
    columns = [part_of("--out-columns", each) for each in out_columns or [":"]]
    keep_apart(json_path, predictions, [Path(data)])
    _check_folders(figures, work)
    if steps != 24:
        raise BadInput(f"--steps {steps}: limit: 24, what the networks are built for")
    recording = open_recording(data)

    from ...models.forecast_evaluation import EvaluationWatch, evaluate_forecasts, trainings
    from ...models.forecast_question import ForecastQuestion
    from ...models.forecast_rows import ForecastRows
    from ...models.forecast_work import ForecastWork

    chosen = chosen_models(models)
    with progress_bars() as progress:
        reading = progress.add_task("reading rows", total=recording.rows)
        rows = ForecastRows.read(recording, step_seconds, on_row=lambda: progress.advance(reading))
        progress.remove_task(reading)
        frequencies = rows.table.frequencies_hz.size
        question = ForecastQuestion(
            rows,
            slice_of("--train-rows", train, rows.count),
            slice_of("--test-rows", test, rows.count),
            [slice_of("--out-columns", each, frequencies) for each in columns],
            horizon,
        )
        check_question(question, chosen)
    kept = ForecastWork(work or json_path.with_name(f"{json_path.name}.work"))
    with kept.for_one_run("one, or all with one --work DIR") if work is None else nullcontext():
        with progress_bars() as progress:
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
                idle_margin_db=idle_margin_db,
            )
        tell_problems(recording, question)
        record = evaluation.record()
        record["data"] |= {"path": data}
        if predictions is not None:
            _write_predictions(predictions, evaluation)
        if figures is not None:
            from ...models.forecast_figures import draw_forecast_figures

            draw_forecast_figures(figures, evaluation)
        write_result(json_path, (json.dumps(record, indent=1, allow_nan=False) + "\n").encode())
    tell_forecasts(record, figures)


def _check_folders(figures: Path | None, work: Path | None) -> None:
    for option, folder in (("--figures", figures), ("--work", work)):
        if folder is None:
            continue
        if folder.exists() and not folder.is_dir():
            raise BadInput(f"{option} {folder}: is a file; limit: a folder")
        if not folder.parent.is_dir():
            raise BadInput(f"{option} {folder}: the folder {folder.parent} does not exist")


def _write_predictions(path: Path, evaluation: ForecastEvaluation) -> None:
    content = io.BytesIO()
    arrays: dict[str, Any] = {"origins": evaluation.question.origins, **evaluation.predictions()}
    np.savez(content, **arrays)
    write_result(path, content.getvalue())
