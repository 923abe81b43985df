"""`bandwatch convert`: a recording in another format."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from ...pipeline.conversion import check_outputs, convert
from ...pipeline.replay import open_recording
from ...pipeline.sidecar import time_zone


def convert_command(
    source: Annotated[Path, typer.Argument(metavar="IN", help="The recording; its sidecar is IN.yaml.")],
    out: Annotated[
        Path,
        typer.Argument(help="Rows: .parquet. IQ samples: .parquet (as rows), or .sigmf-meta for the pair."),
    ],
    channel: Annotated[
        int, typer.Option(min=0, help="Which channel's rows, from 0, where there are several.")
    ] = 0,
    zone: Annotated[
        str | None,
        typer.Option("--time-zone", metavar="ZONE", help="Of a file that holds local times: Europe/Madrid."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace OUT where it exists.")] = False,
) -> None:
    """Write a recording as parquet rows or as SigMF; what is written says all of itself, without a sidecar.

    Example: bandwatch convert week.h5 week.parquet
    """
    check_outputs(source, out, force=force)
    place = None if zone is None else time_zone("--time-zone", zone)
    recording = open_recording(source, time_zone=place, channel=channel)
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("converting", total=1.0)
        written = convert(
            recording,
            out,
            force=force,
            on_progress=lambda done: progress.update(task, completed=done),
        )
    for problem in recording.facts.problems:
        typer.echo(f"problem: {problem}", err=True)
    names = " and ".join(str(each) for each in written.paths)
    typer.echo(
        f"{names}: {written.count:,} {written.what}, {written.bytes:,} bytes,"
        f" {written.bytes / written.source_bytes:.3g} times those of {source}"
    )
