"""`bandwatch evaluate clusters`: how good clusters are, beside what is simpler and what labels could do."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from ...pipeline.errors import BadInput
from ...pipeline.recording import Recording
from ...pipeline.replay import open_channels
from .cluster_table import tell_clusters
from .result_files import keep_apart, write_result

if TYPE_CHECKING:
    from ...models.bundle import Bundle
    from ...models.cluster_evaluation import ClusterEvaluation
    from ...models.evaluated_windows import EvaluatedWindows, KnowsTruth
    from ...models.representations import Representation

DEFAULT, BUNDLE = "default", "bundle"


def evaluate_clusters_command(
    data: Annotated[list[str], typer.Option(metavar="FILE...", help="Recordings, spectra or IQ.")],
    json_path: Annotated[Path, typer.Option("--json", metavar="OUT", help="The figures.")],
    more: Annotated[list[str] | None, typer.Argument(hidden=True)] = None,
    labels: Annotated[
        Path | None, typer.Option(metavar="CSV", help="Lines of path,label or path,start,end,label.")
    ] = None,
    truth: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE", help="What `simulate --truth` or `--windows` wrote; again for each recording."
        ),
    ] = None,
    predictions: Annotated[
        Path | None, typer.Option(metavar="OUT.npz", help="Each window's cluster, for others to score.")
    ] = None,
    bundle: Annotated[
        Path | None, typer.Option(metavar="BUNDLE", help="Judge this one, too; predictions are then its.")
    ] = None,
    clusters: Annotated[int, typer.Option(min=2, max=1024, help="Of the k-means.")] = 24,
    components: Annotated[int, typer.Option(min=1, help="Principal components kept.")] = 20,
    most_windows: Annotated[
        int, typer.Option(min=16, help="Draw so many, if there are more (32 KiB each in memory).")
    ] = 4096,
    stride: Annotated[int, typer.Option(min=1, metavar="ROWS", help="From one window to the next.")] = 128,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same figures.")] = 0,
    seeds: Annotated[int, typer.Option(min=1, help="Figures are medians over so many seeds.")] = 3,
    threads: Annotated[
        int | None, typer.Option(min=1, help="Of the processor; all cores but one by default.")
    ] = None,
) -> None:
    """Cluster windows of recordings by the shipped encoder and by simpler means; tell how good each is.

    With a truth or labels: agreement, beside chance and beside what labels could reach. Always: how well
    separated clusters are, whether they come back, whether they only say where. And how many to ask for.

    Example: bandwatch evaluate clusters --data band.h5 --truth band.truth.jsonl --json figures.json
    """
    names = [*data, *(more or [])]
    if truth and len(data) > 1 and more:
        raise BadInput("--data: given again and with several files; which --truth is whose is not plain")
    keep_apart(json_path, predictions, [*map(Path, names), *(truth or []), *([labels] if labels else [])])
    recordings = _recordings(names)
    known, truth_kind, notes = _truths(names, recordings, labels, truth or [])

    from ...explain.study_trees import tree_figures
    from ...models.bundle import Bundle, shipped_bundle
    from ...models.cluster_evaluation import EvaluationConfig, evaluate_clusters, steps
    from ...models.evaluated_windows import gather_evaluated

    threads = threads or max(1, len(os.sched_getaffinity(0)) - 1)
    bundles = {DEFAULT: Bundle.load(shipped_bundle(), device="cpu", threads=threads)}
    if bundle is not None:
        bundles[BUNDLE] = Bundle.load(bundle, device="cpu", threads=threads)
    primary = BUNDLE if bundle is not None else DEFAULT
    config = EvaluationConfig(clusters=clusters, components=components, seed=seed, seeds=seeds)
    console = Console(stderr=True, highlight=False, soft_wrap=True, markup=False)
    with _progress() as progress:
        rows = progress.add_task("cutting windows", total=sum(recording.rows for recording in recordings))
        windows = gather_evaluated(
            recordings,
            known,
            most=most_windows,
            stride_rows=stride,
            seed=seed,
            on_row=lambda: progress.advance(rows),
        )
        representations = _representations(windows, bundles, primary, threads, progress)
        scoring = progress.add_task("scoring", total=steps(representations, config))

        def told(what: str) -> None:
            progress.update(scoring, description=f"scoring {what}", advance=1)

        evaluation = evaluate_clusters(
            windows, representations, primary, config, tell_tree=tree_figures, on_step=told
        )
    for recording in recordings:
        for problem in recording.problems:
            console.print(f"problem: {recording.path}: {problem}")
    for note in notes:
        console.print(note)
    record = evaluation.record()
    record["data"] |= {"paths": names, "truth": truth_kind, "stride_rows": stride}
    record["settings"] |= {"bundles": {name: each.hash for name, each in bundles.items()}}
    record["meaning"] = {each.name: each.meaning for each in representations}
    write_result(json_path, (json.dumps(record, indent=1, allow_nan=False) + "\n").encode())
    if predictions is not None:
        _write_predictions(predictions, windows, evaluation)
    tell_clusters(evaluation, truth_kind)


def _recordings(names: Sequence[str]) -> list[Recording]:
    """Every channel of every recording, each file once."""
    seen: set[Path] = set()
    for name in names:
        path = Path(name).resolve()
        if path in seen:
            raise BadInput(f"--data {name}: is given twice")
        seen.add(path)
    return [channel for name in names for channel in open_channels(name)]


def _truths(
    names: Sequence[str], recordings: Sequence[Recording], labels: Path | None, truth: Sequence[Path]
) -> tuple[Sequence[KnowsTruth] | None, str | None, list[str]]:
    """What knows each recording's truth, of which kind it is, and what there is to say about it."""
    if labels is not None and truth:
        raise BadInput("--labels and --truth: give one of them")
    if labels is not None:
        from ...models.label_file import LabelFile

        found, others = LabelFile.read(labels).labels_of(recordings)
        notes = [f"--labels {labels}: {others} lines name no recording of --data"] if others else []
        return found, "labels", notes
    if not truth:
        return None, None, []
    if len(truth) != len(names):
        raise BadInput(
            f"--truth: {len(truth)} files for {len(names)} recordings; limit: one for each, in order"
        )
    from ...models.truth_file import read_truth

    by_path = {Path(name): read_truth(file) for name, file in zip(names, truth, strict=True)}
    return [by_path[recording.path] for recording in recordings], "simulator", []


def _representations(
    windows: EvaluatedWindows, bundles: dict[str, Bundle], primary: str, threads: int, progress: Progress
) -> list[Representation]:
    from ...models.representations import Representation, encoded, hand_made, pixels, together, untrained

    width = bundles[primary].manifest.width

    def watched(what: str) -> Any:
        task = progress.add_task(what, total=len(windows), visible=False)
        return lambda count: progress.update(task, advance=count, visible=True)

    def of_bundle(name: str, bundle: Bundle) -> Representation:
        meaning = "the encoder that ships" if name == DEFAULT else str(bundle.path)
        return Representation(
            name,
            meaning,
            lambda _: encoded(windows, bundle, watched(f"encoding by {name}")),
            whiten=bundle.manifest.whitens,
        )

    by_hand = Representation(
        "hand-made",
        "what a person would measure, standardised, its components not whitened",
        lambda _: hand_made(windows, watched("measuring")),
        whiten=False,
    )
    learnt = [of_bundle(name, bundle) for name, bundle in bundles.items()]
    return [
        Representation(
            "pixels",
            "the pixels themselves, their components not whitened",
            lambda _: pixels(windows, on_windows=watched("projecting pixels")),
            whiten=False,
            complete=False,
        ),
        Representation(
            "untrained",
            f"an encoder of width {width} that has learnt nothing, another for each seed",
            lambda seed: untrained(windows, width, seed, threads, watched(f"encoding untrained, {seed}")),
            whiten=False,
            seeded=True,
        ),
        by_hand,
        *learnt,
        *(
            Representation(
                f"{each.name}+hand-made",
                f"{each.name} and hand-made side by side",
                lambda seed, each=each: together(each.features(seed), by_hand.features(seed)),
                whiten=False,
            )
            for each in learnt
        ),
    ]


def _write_predictions(path: Path, windows: EvaluatedWindows, evaluation: ClusterEvaluation) -> None:
    import io

    arrays: dict[str, Any] = {
        "start_ns": windows.start_ns,
        "segment": windows.segment,
        "labels": evaluation.labels,
        "path": np.array([windows.paths[number] for number in windows.recording], dtype=np.str_),
    }
    if windows.truths is not None:
        shown = ["" if truth is None else truth.main_kind for truth in windows.truths]
        arrays["truth"] = np.array(shown, dtype=np.str_)
    content = io.BytesIO()
    np.savez(content, **arrays)
    write_result(path, content.getvalue())


@contextmanager
def _progress() -> Iterator[Progress]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        yield progress
