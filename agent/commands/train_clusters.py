"""`bandwatch train clusters`: an encoder learnt without labels, and the models of the bands it was shown."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from ...pipeline.errors import BadInput
from ...pipeline.recording import Recording
from ...pipeline.replay import open_recording
from ...pipeline.windows import WINDOW_ROWS, segment_starts
from ..training_files import TrainingFiles, stopped_in_one_line

if TYPE_CHECKING:
    from ...models.activity import BandModel
    from ...models.bundle_training import Embed, Float16
    from ...models.deepcluster import DeepClusterConfig, Epoch, Trained

SIMULATED = "simulated"
WINDOWS_A_SIMULATED_BAND = 64


def train_clusters_command(
    out: Annotated[Path, typer.Option(help="The bundle to write; must not be there yet.")],
    data: Annotated[
        list[str],
        typer.Option(
            metavar="FILE...", help="Recordings to learn from, or 'simulated' for bands drawn at random."
        ),
    ],
    more: Annotated[list[str] | None, typer.Argument(hidden=True)] = None,
    width: Annotated[
        int, typer.Option(min=1, max=512, help="Channels of the encoder: 64 is the paper's ResNet18.")
    ] = 16,
    clusters: Annotated[int, typer.Option(min=2, max=1024, help="Of the k-means.")] = 24,
    components: Annotated[
        str,
        typer.Option(
            metavar="NUMBER|SHARE",
            help="Principal components kept: a number of them, or below 1 the share of variance to explain.",
        ),
    ] = "20",
    cycle: Annotated[int, typer.Option(min=1, help="Epochs from one clustering to the next.")] = 15,
    epochs: Annotated[int, typer.Option(min=1, help="Passes over the windows, all in all.")] = 105,
    windows: Annotated[
        int, typer.Option(min=1, help="Train on the first so many windows (32 KiB each in memory).")
    ] = 12_288,
    precision: Annotated[
        Literal["auto", "float32", "bfloat16"],
        typer.Option(help="Of the epochs; auto: bfloat16 where the hardware is faster with it."),
    ] = "auto",
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same bundle.")] = 0,
    resume: Annotated[
        bool, typer.Option(help="Go on where a training for the same OUT was stopped, if one was.")
    ] = True,
    threads: Annotated[
        int | None, typer.Option(min=1, help="Of the processor; all cores but one by default.")
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:<number>.")] = "auto",
    plot: Annotated[
        Path | None,
        typer.Option(
            metavar="PNG", help="Draw loss and assignments here, at each clustering and at the end."
        ),
    ] = None,
) -> None:
    """Train an encoder by DeepCluster; write a bundle with it and a model of each band in the data.

    While it trains, OUT.training holds what a stopped run needs to go on, and a line an epoch in
    curves.jsonl; then it is removed.

    Example: bandwatch train clusters --data monday.npz tuesday.npz --out bundles/mine
    """
    if out.exists():
        raise BadInput(f"--out {out}: is there already, and bundles never change; name another folder")
    if plot is not None:
        _check_place(plot)
    kept_components = _components(components)
    recordings = _recordings([*data, *(more or [])])

    import torch  # takes seconds: not before the arguments are known to be good

    from ...models.bundle import write_bundle
    from ...models.bundle_training import agreement_with_truth, training_figures, training_record
    from ...models.deepcluster import DeepClusterConfig
    from ...models.encoder import weights_of
    from ...models.engine import choose_device, open_engine
    from ...models.precision import chosen_precision
    from ...models.training_curves import TrainingCurves

    torch.set_num_threads(threads or max(1, len(os.sched_getaffinity(0)) - 1))
    chosen = choose_device(device)
    files = TrainingFiles(out.with_name(f"{out.name}.training"), plot)
    if not resume:
        files.forget()
    config = DeepClusterConfig(
        width=width,
        clusters=clusters,
        components=kept_components,
        cycle=cycle,
        epochs=epochs,
        precision=chosen_precision(precision, chosen),
        seed=seed,
    )
    with stopped_in_one_line(files, config.epochs), _progress() as progress:
        gathered = _gather(recordings, windows, seed, progress)
        trained = _train(gathered, config, files, chosen, progress)
        weights = weights_of(trained.encoder)
        embed = open_engine(weights, width, device=chosen, threads=threads).embed
        progress.update(progress.add_task("fitting band models", total=None))
        models = _band_models(embed, recordings, config, trained.head.projection.component_count)
        figures = training_figures(trained.epochs)
        figures |= {name: round(figure, 4) for name, figure in trained.figures.items()}
        if recordings is None:
            figures |= agreement_with_truth(embed, models[0], seed, whiten=config.whiten)
        record = training_record(
            config,
            command="bandwatch train clusters",
            data=_data(recordings, windows, seed),
            windows=len(gathered),
            threads=torch.get_num_threads(),
        )
        sha256 = write_bundle(
            out,
            weights,
            width,
            models={(model.geometry.node, model.geometry.band): [model] for model in models},
            of_the_training=[trained.head, TrainingCurves(config.cycle, trained.epochs)],
            training=record | {"precision": config.precision},
            figures=figures,
        )
    files.forget()
    typer.echo(
        f"{out}: bundle {sha256[:12]}, {len(gathered)} windows, loss {trained.epochs[-1].loss:.3f}, "
        f"the head names {trained.figures['head_agreement']:.1%} of their clusters"
    )
    for model in models:
        geometry = model.geometry
        typer.echo(f"  {geometry.node}/{geometry.band}: {model.cluster_count} clusters, {geometry}")
    if plot is not None:
        typer.echo(f"curves: {plot}")


def _components(text: str) -> float:
    """A number of components as int, a share of variance as float."""
    try:
        share = float(text)
    except ValueError:
        share = 0.0
    if text.isdecimal() and int(text) >= 1:
        return int(text)
    if not 0 < share < 1:
        raise BadInput(
            f"--components {text}: needs a number of components, at least 1, or a share of the variance "
            "between 0 and 1"
        )
    return share


def _check_place(plot: Path) -> None:
    """Before hours of training for a picture that has no place to go."""
    if plot.is_dir() or not plot.absolute().parent.is_dir():
        raise BadInput(f"--plot {plot}; limit: a file in a folder that exists")


def _recordings(names: list[str]) -> list[Recording] | None:
    """The recordings, opened; None for simulated bands."""
    if SIMULATED not in names:
        return [open_recording(name) for name in names]
    if len(names) > 1:
        raise BadInput(f"--data: '{SIMULATED}' stands alone, beside it was given {len(names) - 1} more")
    return None


def _gather(recordings: list[Recording] | None, windows: int, seed: int, progress: Progress) -> Float16:
    from ...models.bundle_training import simulated_windows
    from ...models.training_windows import gather

    task = progress.add_task("cutting windows", total=windows if recordings is None else None)

    def count() -> None:
        progress.advance(task)

    if recordings is None:
        return simulated_windows(seed, _simulated_bands(windows), windows, count)
    most = sum(
        recording.rows // WINDOW_ROWS * len(segment_starts(recording.bins)) for recording in recordings
    )
    return gather(recordings, limit=min(windows, most), on_window=count)


def _simulated_bands(windows: int) -> int:
    return -(-windows // WINDOWS_A_SIMULATED_BAND)


def _data(recordings: list[Recording] | None, windows: int, seed: int) -> str | list[str]:
    from ...models.bundle_training import simulated_data

    if recordings is None:
        return simulated_data(seed, _simulated_bands(windows))
    return [recording.path.name for recording in recordings]


def _train(
    windows: Float16, config: DeepClusterConfig, files: TrainingFiles, device: str, progress: Progress
) -> Trained:
    from ...models.deepcluster import train_deepcluster

    batches = -(-len(windows) // config.batch)
    task = progress.add_task("training", total=batches * config.epochs)

    def on_epoch(epoch: Epoch) -> None:
        progress.update(task, completed=batches * (epoch.number + 1))
        files.add(epoch, config.cycle, is_last=epoch.number + 1 == config.epochs)
        progress.console.print(_in_words(epoch, config.epochs), soft_wrap=True)

    return train_deepcluster(
        windows,
        config,
        checkpoint=files.checkpoint,
        device=device,
        on_epoch=on_epoch,
        on_batch=lambda: progress.advance(task),
    )


def _in_words(epoch: Epoch, epochs: int) -> str:
    words = f"epoch {epoch.number + 1}/{epochs}: loss {epoch.loss:.4f}, accuracy {epoch.accuracy:.3f}"
    if epoch.nmi is None or epoch.changed is None:
        return words
    return (
        f"{words}, clusters agree with the last to NMI {epoch.nmi:.3f}, "
        f"{epoch.changed:.1%} of the windows changed theirs"
    )


def _band_models(
    embed: Embed, recordings: list[Recording] | None, config: DeepClusterConfig, components_kept: int
) -> list[BandModel]:
    """With a share of variance, each band gets as many components as the training came to."""
    from ...models.bundle_training import recorded_band_models, simulated_band_model

    clusters, whiten = config.clusters, config.whiten
    components = config.components if isinstance(config.components, int) else components_kept
    if recordings is None:
        return [
            simulated_band_model(embed, config.seed, clusters=clusters, components=components, whiten=whiten)
        ]
    return recorded_band_models(
        embed, recordings, config.seed, clusters=clusters, components=components, whiten=whiten
    )


@contextmanager
def _progress() -> Iterator[Progress]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        yield progress
