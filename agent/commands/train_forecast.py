"""`bandwatch train forecast`: the CNN-LSTM of one or more bands, into a copy of a bundle."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from ...pipeline.errors import BadInput
from ...pipeline.frames import NS_PER_S, Gap, PsdFrame
from ...pipeline.replay import open_recording

if TYPE_CHECKING:
    from ...models.forecasters.cnn_lstm import CnnLstm
    from ...models.step_table import StepTable

SIMULATED = "simulated"


def train_forecast_command(
    out: Annotated[Path, typer.Option(help="The bundle to write; must not be there yet.")],
    data: Annotated[
        list[str],
        typer.Option(metavar="FILE...", help="Recordings to learn from, or 'simulated' for that band."),
    ],
    more: Annotated[list[str] | None, typer.Argument(hidden=True, metavar="FILE")] = None,
    bundle: Annotated[
        Path | None,
        typer.Option(help="The bundle to add to, itself left as it is; by default the shipped one."),
    ] = None,
    step_seconds: Annotated[
        float, typer.Option(min=1, max=86_400, help="Forecast step; as `history.step_seconds` of the band.")
    ] = 60.0,
    epochs: Annotated[int, typer.Option(min=1, help="Of 50 batches of 32 windows each.")] = 70,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same model.")] = 0,
    simulated_steps: Annotated[
        int, typer.Option(min=200, help="How many steps of the simulated band; 1440 of 60 s are a day.")
    ] = 1440,
    resume: Annotated[
        bool, typer.Option(help="Go on where a training for the same OUT was stopped, if one was.")
    ] = True,
) -> None:
    """Train the CNN-LSTM forecaster of each band in the data; write a bundle that holds them.

    While it trains, OUT.training holds what a killed run needs to go on; then it is removed.

    Example: bandwatch train forecast --data monday.npz tuesday.npz --out bundles/mine
    """
    from ...models.bundle import Bundle, shipped_bundle
    from ...models.bundle_forecasts import add_forecasts
    from ...models.step_table import gather_steps

    if out.exists():
        raise BadInput(f"--out {out}: is there already, and bundles never change; name another folder")
    base = Bundle.load(bundle or shipped_bundle(), device="cpu")
    sources, expected_steps = _sources([*data, *(more or [])], step_seconds, simulated_steps, seed)
    checkpoints = out.with_name(f"{out.name}.training")
    with _progress() as progress:
        task = progress.add_task("reading steps", total=expected_steps)
        tables = gather_steps(sources, step_s=step_seconds, on_step=lambda: progress.advance(task))
        if not tables:
            raise BadInput(f"--data: no whole step of {step_seconds:g} s in what was given")
        progress.update(task, total=sum(len(table.values) for table in tables))
        models = {
            (table.node, table.band): _train(table, epochs, seed, checkpoints, resume, progress)
            for table in tables
        }
    from ...models.checkpoint import forget_checkpoint  # loads torch: the training has by now

    sha256 = add_forecasts(base, out, models)
    for (node, band), model in models.items():
        figures = model.figures
        typer.echo(
            f"{node}/{band}: {figures['rows']} steps; held out: RMSE {figures['validation_rmse_db']:.2f} dB, "
            f"repeat-last {figures['validation_repeat_last_rmse_db']:.2f} dB"
        )
        forget_checkpoint(_checkpoint(checkpoints, node, band))
    typer.echo(f"{out}: bundle {sha256[:12]}")


def _sources(
    data: list[str], step_seconds: float, simulated_steps: int, seed: int
) -> tuple[list[Iterable[PsdFrame | Gap]], int]:
    """What to read, all opened, and about how many steps it will give."""
    from ...models.step_table import simulated_rows

    sources: list[Iterable[PsdFrame | Gap]] = []
    steps = 0.0
    for name in data:
        if name == SIMULATED:
            sources.append(simulated_rows(seed, simulated_steps, step_seconds))
            steps += simulated_steps
        else:
            recording = open_recording(name)
            sources.append(recording)
            steps += recording.rows / max(1.0, step_seconds / (recording.step_ns / NS_PER_S))
    return sources, round(steps)


def _train(
    table: StepTable, epochs: int, seed: int, checkpoints: Path, resume: bool, progress: Progress
) -> CnnLstm:
    from ...models.checkpoint import forget_checkpoint
    from ...models.forecast_training import train_cnn_lstm

    checkpoint = _checkpoint(checkpoints, table.node, table.band)
    if not resume:
        forget_checkpoint(checkpoint)
    task = progress.add_task(f"training {table.node}/{table.band}", total=epochs)
    return train_cnn_lstm(
        table,
        seed=seed,
        epochs=epochs,
        checkpoint=checkpoint,
        progress=lambda figures: progress.update(task, completed=figures.epoch),
    )


def _checkpoint(folder: Path, node: str, band: str) -> Path:
    return folder / f"{node}+{band}.safetensors"  # no name holds a plus


@contextmanager
def _progress() -> Iterator[Progress]:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        yield progress
