"""`bandwatch explain clusters`: why windows of recordings are of their clusters, as a report to read."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from ... import __version__
from ...pipeline.errors import BadInput
from ...pipeline.frames import NS_PER_S
from ...pipeline.recording import Recording
from ...pipeline.replay import open_channels
from ..words_file import read_book
from .place import ConfigOption, settings_and_words

if TYPE_CHECKING:
    from ...explain.cluster_study import ClusterStudy
    from ...explain.report import BandPages
    from ...explain.said import Said
    from ...models.activity import BandModel
    from ...models.bundle import Bundle
    from ...models.geometry import Geometry

SAME_STEP = 0.01


def explain_clusters_command(
    data: Annotated[list[str], typer.Option(metavar="FILE...", help="Recordings, spectra or IQ.")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="A new or empty folder, or a report's of before.")],
    more: Annotated[list[str] | None, typer.Argument(hidden=True)] = None,
    bundle: Annotated[
        Path | None, typer.Option(metavar="BUNDLE", help="Whose clusters; by default that of the settings.")
    ] = None,
    config: ConfigOption = None,
    most_windows: Annotated[
        int, typer.Option(min=16, help="Of a band draw so many, if there are more (32 KiB each in memory).")
    ] = 4096,
    stride: Annotated[int, typer.Option(min=1, metavar="ROWS", help="From one window to the next.")] = 128,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same report.")] = 0,
    threads: Annotated[
        int | None, typer.Option(min=1, help="Of the processor; all cores but one by default.")
    ] = None,
) -> None:
    """Explain the clusters of recordings: DIR/report.html, to be opened from the disk, with no network.

    Of each cluster a sentence, what it looks like and where it comes from, where the encoder looks, the rules
    that tell it from others, and why single windows have its label. Figures and their numbers lie beside.

    An agent's clusters have the numbers, names and mutes that they have there: what it keeps of a band is
    used where it has the same bundle. It need not run.

    Example: bandwatch explain clusters --data monday.npz tuesday.npz --out report -c bandwatch.yaml
    """
    from ...explain.report_folder import PAGE_FILE, check_folder

    check_folder(out)
    names = [*data, *(more or [])]
    settings, words = settings_and_words(config)
    book = read_book(words)
    bands = _by_band(names)

    import torch

    from ...models.bundle import Bundle
    from ..kept_model import kept_model
    from ..learned import bundle_path
    from ..said_offline import resting, said_of

    threads = threads or max(1, len(os.sched_getaffinity(0)) - 1)
    torch.set_num_threads(threads)
    opened = Bundle.load(bundle or bundle_path(settings.models), device="cpu", threads=threads)
    kept = [kept_model(words.parent, opened.hash, each.node, each.band) for each, _ in bands]
    with _progress() as progress:
        studies = [
            _study(opened, model, geometry, recordings, most_windows, stride, seed, progress)
            for (geometry, recordings), model in zip(bands, kept, strict=True)
        ]
        said = [said_of(book, opened.hash, study, datetime.now(UTC)) for study in studies]
        pages = _drawn(studies, said, progress)
    console = Console(stderr=True, highlight=False, soft_wrap=True, markup=False)
    for recording in (each for _, recordings in bands for each in recordings):
        for problem in recording.problems:
            console.print(f"problem: {recording.path}: {problem}")
    for study, holding in zip(studies, said, strict=True):
        if count := resting(book, study, holding):
            band = f"{study.geometry.node}/{study.geometry.band}"
            console.print(f"{band}: {count} of its names are for other models; `bandwatch name` lists them")
    _write(out, pages, opened, names, {"stride_rows": stride, "seed": seed, "most_windows": most_windows})
    for study in studies:
        _tell(study)
    typer.echo(f"report: {out / PAGE_FILE}")


def _by_band(names: Sequence[str]) -> list[tuple[Geometry, list[Recording]]]:
    """Every channel of every recording, by band; recordings of one band must be measured alike."""
    seen: set[Path] = set()
    for name in names:
        if (path := Path(name).resolve()) in seen:
            raise BadInput(f"--data {name}: is given twice")
        seen.add(path)
    channels = [channel for name in names for channel in open_channels(name)]

    from ...models.bundle_training import geometry_of

    bands: dict[tuple[str, str], tuple[Geometry, list[Recording]]] = {}
    for channel in channels:
        geometry = geometry_of(channel)
        known, own = bands.setdefault((geometry.node, geometry.band), (geometry, []))
        name = f"{channel.path}: {geometry.node}/{geometry.band}"
        if not known.same_measure(geometry):
            raise BadInput(f"{name} has {geometry}, before it had {known}")
        if own and abs(channel.step_ns - own[0].step_ns) > SAME_STEP * own[0].step_ns:
            raise BadInput(
                f"{name} has rows of {channel.step_ns / NS_PER_S:g} s, "
                f"before they were of {own[0].step_ns / NS_PER_S:g} s"
            )
        own.append(channel)
    return list(bands.values())


def _study(
    bundle: Bundle,
    agents_model: BandModel | None,
    geometry: Geometry,
    recordings: list[Recording],
    most: int,
    stride: int,
    seed: int,
    progress: Progress,
) -> ClusterStudy:
    from ...explain.cluster_study import STEPS, study_clusters
    from ...models.evaluated_windows import gather_evaluated

    name = f"{geometry.node}/{geometry.band}"
    rows = progress.add_task(f"{name}: cutting windows", total=sum(each.rows for each in recordings))
    windows = gather_evaluated(
        recordings, most=most, stride_rows=stride, seed=seed, on_row=lambda: progress.advance(rows)
    )
    task = progress.add_task(f"{name}: studying", total=len(STEPS))

    def on_step(what: str) -> None:
        progress.update(task, description=f"{name}: {what}", completed=STEPS.index(what))

    study = study_clusters(
        windows,
        geometry,
        recordings[0].step_ns / NS_PER_S,
        bundle,
        agents_model=agents_model,
        seed=seed,
        stride_rows=stride,
        on_step=on_step,
        on_cluster=lambda number: progress.update(task, description=f"{name}: explaining cluster {number}"),
    )
    progress.update(task, completed=len(STEPS))
    return study


def _drawn(studies: Sequence[ClusterStudy], said: Sequence[Said], progress: Progress) -> list[BandPages]:
    from ...explain.report import BandPages
    from ...explain.report_figures import figure_count, figures_of
    from ...explain.report_folder import band_folders

    task = progress.add_task("drawing", total=sum(map(figure_count, studies)))
    folders = band_folders([(study.geometry.node, study.geometry.band) for study in studies])
    pages: list[BandPages] = []
    for study, folder, words in zip(studies, folders, said, strict=True):
        figures: dict[str, Any] = {}
        for figure in figures_of(study, words):
            figures[figure.name] = figure
            progress.advance(task)
        pages.append(BandPages(study, figures, folder, words))
    return pages


def _write(
    out: Path, pages: Sequence[BandPages], bundle: Bundle, names: Sequence[str], settings: dict[str, int]
) -> None:
    from ...explain.report import report_html
    from ...explain.report_folder import write_report
    from ...explain.report_record import record_of

    bands = [record_of(page.study, page.said) for page in pages]
    first = bands[0]
    record = {
        "node": first["node"],
        "band": first["band"],
        "tree": first["tree"],
        "paper_tree": first["paper_tree"],
        "measure_tree": first["measure_tree"],
        "pca": first["pca"],
        "bands": bands,
        "data": names,
        "bundle": bundle.hash,
        "settings": settings,
    }
    files: dict[str, bytes] = {}
    for page in pages:
        for figure in page.figures.values():
            files[f"{page.folder}/{figure.name}"] = figure.content
            files[f"{page.folder}/{figure.data_name}"] = figure.data
    facts = {
        "recordings": ", ".join(Path(name).name for name in names),
        "bundle": bundle.name,
        "settings": f"a window every {settings['stride_rows']} rows, seed {settings['seed']}",
        "made by": f"bandwatch {__version__}, bandwatch explain clusters",
    }
    write_report(out, record, report_html(pages, facts), files)


def _tell(study: ClusterStudy) -> None:
    trees = study.trees
    held_out = trees.bisector_fidelity.held_out
    typer.echo(
        f"{study.geometry.node}/{study.geometry.band}: {len(study.assigned.windows)} windows, "
        f"{len(study.clusters)} clusters; a tree of {trees.bisector.n_leaves_} leaves, depth "
        f"{trees.bisector.depth_}, gives {trees.bisector_fidelity.training:.1%} of them their cluster"
        + (f", {held_out:.1%} held out" if held_out == held_out else "")
    )


@contextmanager
def _progress() -> Iterator[Progress]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        yield progress
