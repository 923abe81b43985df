"""`bandwatch train clusters`: an encoder learnt without labels, and the models of the bands it was shown."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from ...pipeline.errors import BadInput
from ...pipeline.recording import Recording
from ...pipeline.replay import open_recording
from ...pipeline.windows import WINDOW_ROWS, segment_starts

if TYPE_CHECKING:
    from ...models.activity import BandModel
    from ...models.bundle_training import Embed, Float16
    from ...models.deepcluster import DeepClusterConfig, Epoch
    from ...models.encoder import Encoder

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
    components: Annotated[int, typer.Option(min=1, help="Principal components kept.")] = 20,
    cycle: Annotated[int, typer.Option(min=1, help="Epochs from one clustering to the next.")] = 15,
    epochs: Annotated[int, typer.Option(min=1, help="Passes over the windows, all in all.")] = 105,
    windows: Annotated[
        int, typer.Option(min=1, help="Train on the first so many windows (32 KiB each in memory).")
    ] = 12_288,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same bundle.")] = 0,
    resume: Annotated[
        bool, typer.Option(help="Go on where a training for the same OUT was stopped, if one was.")
    ] = True,
    threads: Annotated[
        int | None, typer.Option(min=1, help="Of the processor; all cores but one by default.")
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:<number>.")] = "auto",
) -> None:
    """Train an encoder by DeepCluster; write a bundle with it and a model of each band in the data.

    While it trains, OUT.training holds what a killed run needs to go on; then it is removed.

    Example: bandwatch train clusters --data monday.npz tuesday.npz --out bundles/mine
    """
    if out.exists():
        raise BadInput(f"--out {out}: is there already, and bundles never change; name another folder")
    recordings = _recordings([*data, *(more or [])])

    import torch  # takes seconds: not before the arguments are known to be good

    from ...models.bundle import write_bundle
    from ...models.bundle_training import agreement_with_truth, training_figures, training_record
    from ...models.checkpoint import forget_checkpoint
    from ...models.deepcluster import DeepClusterConfig
    from ...models.encoder import weights_of
    from ...models.engine import choose_device, open_engine

    torch.set_num_threads(threads or max(1, len(os.sched_getaffinity(0)) - 1))
    chosen = choose_device(device)
    checkpoint = out.with_name(f"{out.name}.training") / "encoder.checkpoint"
    if not resume:
        forget_checkpoint(checkpoint)
    config = DeepClusterConfig(
        width=width, clusters=clusters, components=components, cycle=cycle, epochs=epochs, seed=seed
    )
    with _progress() as progress:
        gathered = _gather(recordings, windows, seed, progress)
        encoder, history = _train(gathered, config, checkpoint, chosen, progress)
        weights = weights_of(encoder)
        embed = open_engine(weights, width, device=chosen, threads=threads).embed
        progress.update(progress.add_task("fitting band models", total=None))
        models = _band_models(embed, recordings, config)
        figures = training_figures(history)
        if recordings is None:
            figures |= agreement_with_truth(embed, models[0], seed)
    sha256 = write_bundle(
        out,
        weights,
        width,
        models={(model.geometry.node, model.geometry.band): [model] for model in models},
        training=training_record(
            config,
            command="bandwatch train clusters",
            data=_data(recordings, windows, seed),
            windows=len(gathered),
            threads=torch.get_num_threads(),
        ),
        figures=figures,
    )
    forget_checkpoint(checkpoint)
    typer.echo(f"{out}: bundle {sha256[:12]}, {len(gathered)} windows, loss {history[-1].loss:.3f}")
    for model in models:
        geometry = model.geometry
        typer.echo(f"  {geometry.node}/{geometry.band}: {model.cluster_count} clusters, {geometry}")


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
    windows: Float16, config: DeepClusterConfig, checkpoint: Path, device: str, progress: Progress
) -> tuple[Encoder, list[Epoch]]:
    from ...models.deepcluster import train_encoder

    batches = -(-len(windows) // config.batch)
    task = progress.add_task("training", total=batches * config.epochs)

    def on_epoch(epoch: Epoch) -> None:
        progress.update(task, completed=batches * (epoch.number + 1))
        agreement = "" if epoch.nmi is None else f", clusters agree with the last to NMI {epoch.nmi:.3f}"
        progress.console.print(
            f"epoch {epoch.number + 1}/{config.epochs}: loss {epoch.loss:.4f}, "
            f"accuracy {epoch.accuracy:.3f}{agreement}"
        )

    return train_encoder(
        windows,
        config,
        checkpoint=checkpoint,
        device=device,
        on_epoch=on_epoch,
        on_batch=lambda: progress.advance(task),
    )


def _band_models(
    embed: Embed, recordings: list[Recording] | None, config: DeepClusterConfig
) -> list[BandModel]:
    from ...models.bundle_training import recorded_band_models, simulated_band_model

    clusters, components = config.clusters, config.components
    if recordings is None:
        return [simulated_band_model(embed, config.seed, clusters=clusters, components=components)]
    return recorded_band_models(embed, recordings, config.seed, clusters=clusters, components=components)


@contextmanager
def _progress() -> Iterator[Progress]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        yield progress
