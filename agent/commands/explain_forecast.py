"""`bandwatch explain forecast`: what the forecast of a band looks at, as a report to read."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ... import __version__
from ...pipeline.errors import BadInput
from ...pipeline.replay import open_recording
from ..wording import counted
from .forecast_options import check_question, chosen_models, part_of, progress_bars, slice_of, tell_problems

if TYPE_CHECKING:
    from ...explain.forecast_study import ForecastStudy
    from ...explain.forecast_words import ForecastWords

TRAIN_SHARE = 0.8  # the third paper's


def explain_forecast_command(
    data: Annotated[str, typer.Option(metavar="FILE", help="A recording of one band, spectra or IQ.")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="A new or empty folder, or a report's of before.")],
    train_rows: Annotated[
        str | None, typer.Option(metavar="A:B", help="Learn from these rows only; by default the first 80 %.")
    ] = None,
    test_rows: Annotated[
        str | None, typer.Option(metavar="C:D", help="Forecast these; by default all after the former.")
    ] = None,
    step_seconds: Annotated[
        float | None,
        typer.Option(min=1e-3, max=86_400, help="Average rows to steps; without it each row is a step."),
    ] = None,
    out_columns: Annotated[
        str, typer.Option(metavar="I:J", help="Forecast these columns; all by default.")
    ] = ":",
    models: Annotated[
        str,
        typer.Option(
            metavar="LIST|all",
            help="Names with commas. The first network with a convolution is explained; the default and the "
            "baselines are always beside. Of gc-cnn-lstm and shap-cnn-lstm, which train 30 networks each, "
            "two thirds of the time that all takes, the report says what they chose.",
        ),
    ] = "cnn-lstm",
    epochs: Annotated[
        int, typer.Option(min=1, max=10_000, help="Of the networks' training: 70 are the paper's.")
    ] = 70,
    windows: Annotated[
        int,
        typer.Option(min=2, max=65_536, help="Explain so many of the test rows' forecasts, evenly drawn."),
    ] = 128,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same report.")] = 0,
) -> None:
    """Explain a band's forecast: DIR/report.html, to be opened from the disk, with no network.

    Which frequencies and which hours drive it, by Grad-CAM, SHAP, permutation and occlusion of a network and
    by permutation of the default forecaster; how far off they are, beside what anybody would try first; and
    that in words. Figures and their numbers lie beside. A run that was killed goes on, from what is in
    DIR.work, when it is started again.

    Example: bandwatch explain forecast --data psd_db.csv --train-rows 0:1600 --test-rows 1600:2000 --out why
    """
    from ...explain.report_folder import FORECAST, PAGE_FILE, check_folder, write_report

    train = None if train_rows is None else part_of("--train-rows", train_rows)
    test = None if test_rows is None else part_of("--test-rows", test_rows)
    columns = part_of("--out-columns", out_columns)
    check_folder(out, FORECAST)
    recording = open_recording(data)

    from ...explain.forecast_figures import figure_count, forecast_figures
    from ...explain.forecast_report import forecast_record, forecast_report_html
    from ...explain.forecast_study import CONVOLUTIONAL, DEFAULT, StudyWatch, study_forecasts
    from ...explain.forecast_trainers import with_epochs
    from ...explain.forecast_words import forecast_words
    from ...explain.report_folder import band_folders
    from ...models.forecast_models import BASELINES
    from ...models.forecast_question import ForecastQuestion
    from ...models.forecast_rows import ForecastRows
    from ...models.forecast_work import ForecastWork

    named = chosen_models(models)
    network = _explained(models, named, CONVOLUTIONAL)
    chosen = with_epochs(chosen_models(f"{models},{DEFAULT},{network}"), epochs)
    with progress_bars() as progress:
        reading = progress.add_task("reading rows", total=recording.rows)
        rows = ForecastRows.read(recording, step_seconds, on_row=lambda: progress.advance(reading))
        progress.remove_task(reading)
        learned = slice_of("--train-rows", train or (0, max(1, int(rows.count * TRAIN_SHARE))), rows.count)
        if test is None and learned.stop >= rows.count:
            raise BadInput(
                f"--train-rows {learned.start}:{learned.stop}: the data has {rows.count} rows; limit: "
                "some must be left to forecast"
            )
        asked = slice_of("--test-rows", test or (learned.stop, None), rows.count)
        frequencies = rows.table.frequencies_hz.size
        question = ForecastQuestion(rows, learned, asked, [slice_of("--out-columns", columns, frequencies)])
        check_question(question, chosen)
    tell_problems(recording, question)
    kept = ForecastWork(Path(f"{out.resolve()}.work"))

    def checkpoint(name: str) -> Path:
        about = {"epochs": epochs}
        return kept.place(question, question.columns[0], name, chosen[name], seed, about).checkpoint

    with kept.for_one_run(), progress_bars() as progress:
        task = progress.add_task("", total=None)
        study = study_forecasts(
            question,
            chosen,
            [name for name in chosen if name in BASELINES],
            network,
            seed=seed,
            windows=windows,
            watch=StudyWatch(
                on_step=lambda what: progress.reset(task, description=what, total=None),
                on_epoch=lambda done, of: progress.update(task, completed=done, total=of),
                checkpoint=checkpoint,
            ),
        )
        progress.reset(task, description="drawing", total=figure_count(study))
        figures = {}
        for figure in forecast_figures(study):
            figures[figure.name] = figure
            progress.advance(task)
        words = forecast_words(study)
        (folder,) = band_folders([(rows.table.node, rows.table.band)])
        facts = {
            "recording": Path(data).name,
            "learned from rows": f"{learned.start}:{learned.stop}",
            "forecast rows": f"{asked.start}:{asked.stop}, {len(question.origins):,} forecasts",
            "forecast columns": f"{question.columns[0].start}:{question.columns[0].stop} of {frequencies}",
            "explained": f"{study.mapped:,} windows by the map, {study.windows} test windows by the others",
            "training": f"{counted(epochs, 'epoch')} of the networks, seed {seed}",
            "made by": f"bandwatch {__version__}, bandwatch explain forecast",
        }
        settings = {"epochs": epochs, "seed": seed, "models": list(chosen)}
        record = forecast_record(study, words) | {"data": data, "settings": settings}
        files: dict[str, bytes] = {}
        for figure in figures.values():
            files[f"{folder}/{figure.name}"] = figure.content
            files[f"{folder}/{figure.data_name}"] = figure.data
        page = forecast_report_html(study, words, figures, folder, facts)
        write_report(out, record, page, files, FORECAST)
    _tell(study, words)
    typer.echo(f"report: {out / PAGE_FILE}")


def _explained(models: str, named: Collection[str], convolutional: tuple[str, ...]) -> str:
    """The first of the names whose network has a convolution; the CNN-LSTM of `all`, and of those that choose
    their inputs, which begin as one."""
    from ...explain.forecast_trainers import SELECTING

    in_order = [name.strip() for name in models.split(",")]
    if "all" in in_order:
        return "cnn-lstm"
    found = next((name for name in in_order if name in convolutional), None)
    if found is None and any(name in SELECTING for name in named):
        return "cnn-lstm"
    if found is None:
        raise BadInput(
            f"--models {models}: names no network with a convolution, which Grad-CAM needs; limit: one of "
            f"{', '.join((*convolutional, *SELECTING))}"
        )
    return found


def _tell(study: ForecastStudy, words: ForecastWords) -> None:
    typer.echo(f"{study.rows.table.node}/{study.rows.table.band}")
    told = (words.trust, words.frequencies, words.default, words.hours, words.back, words.errors)
    for text in (*told, *words.selected):
        typer.echo(text)
