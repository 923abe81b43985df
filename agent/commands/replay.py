"""`bandwatch replay`: the agent over recordings."""

from __future__ import annotations

import os
import time
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from ...config.loader import load
from ...pipeline.errors import BadInput
from ...pipeline.sidecar import sidecar_path
from ..stopping import stop_on_signals

STOPPED = 130


class ThroughOption(StrEnum):
    """How rows travel from the recording to the agent."""

    direct = "direct"
    ipc = "ipc"
    tcp = "tcp"


def replay_command(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE...", help="A band's in this order; several bands at once.")
    ],
    speed: Annotated[str, typer.Option(metavar="N|max", help="Times real time, or max.")] = "1",
    begin: Annotated[
        str | None,
        typer.Option("--from", metavar="T", help="First row: a UTC time, or seconds from the start."),
    ] = None,
    end: Annotated[
        str | None, typer.Option("--to", metavar="T", help="Rows before this; like --from.")
    ] = None,
    zone: Annotated[
        str | None,
        typer.Option("--time-zone", metavar="ZONE", help="Of files that hold local times: Europe/Madrid."),
    ] = None,
    loop: Annotated[bool, typer.Option("--loop", help="Begin again at the end, until stopped.")] = False,
    config: Annotated[
        Path | None,
        typer.Option("-c", "--config", metavar="FILE", help="Settings instead of the shipped ones."),
    ] = None,
    json_path: Annotated[
        Path | None, typer.Option("--json", metavar="OUT", help="Write windows, forecasts, verdicts, gaps.")
    ] = None,
    through: Annotated[ThroughOption, typer.Option(help="In this process, or through a socket.")] = (
        ThroughOption.direct
    ),
    chunk_rows: Annotated[
        int, typer.Option(min=1, metavar="N", help="Rows read from a file at a time.")
    ] = 1024,
    serve: Annotated[
        bool | None,
        typer.Option("--serve/--no-serve", help="Serve metrics meanwhile; the default: unless speed is max."),
    ] = None,
) -> None:
    """Label and forecast recordings as if they were happening; the same records at any speed.

    Example: bandwatch replay band.npz --speed max --json records.jsonl
    """
    from ...pipeline.pacing import Pacer, parse_speed
    from ...pipeline.replay import replay_sources
    from ...pipeline.sidecar import time_zone
    from ..app import replay
    from ..recordings import moment_ns, open_for_replay

    settings = load(config, os.environ)
    _keep_apart(json_path, files)
    pace = parse_speed(speed)
    place = None if zone is None else time_zone("--time-zone", zone)
    recordings = open_for_replay(files, settings, place)
    from_ns = None if begin is None else moment_ns("--from", begin, recordings)
    to_ns = None if end is None else moment_ns("--to", end, recordings)
    if from_ns is not None and to_ns is not None and to_ns <= from_ns:
        raise BadInput(f"--to {end}: not after --from {begin}; limit: later")
    console = Console(stderr=True, highlight=False, soft_wrap=True, markup=False)
    for each in recordings:
        for problem in each.facts.problems:
            console.print(f"problem: {each.path}: {problem}")
    begun = time.monotonic()
    with stop_on_signals() as stop:
        frames = replay_sources(recordings, loop=loop, chunk_rows=chunk_rows, from_ns=from_ns, to_ns=to_ns)
        paced = Pacer(pace, stop=stop).paced(frames) if pace is not None else frames
        records = replay(
            settings,
            iter(paced),
            stop,
            through=through.value,
            json_path=json_path,
            serve=pace is not None if serve is None else serve,
        )
    elapsed = time.monotonic() - begun
    summary = records.summary()
    stopped = "" if summary["complete"] or loop else "stopped before the end: "
    console.print(
        f"{stopped}{summary['rows']} rows ({summary['seconds']:.0f} s of spectrum) in {elapsed:.1f} s: "
        f"{summary['windows']} windows in {records.clusters} clusters, {summary['forecasts']} forecasts, "
        f"{summary['gaps']} gaps, {summary['rows_lost']} rows lost, "
        f"windows discarded {summary['windows_discarded'] or 'none'}"
    )
    if stopped:
        raise typer.Exit(STOPPED)


def _keep_apart(json_path: Path | None, files: list[Path]) -> None:
    """Records never overwrite what they are made from."""
    if json_path is None:
        return
    for file in files:
        for path in (file, sidecar_path(file)):
            if path.exists() and json_path.resolve() == path.resolve():
                raise BadInput(
                    f"--json {json_path}: is the recording itself, or its sidecar; take another name"
                )
