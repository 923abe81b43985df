"""`bandwatch inspect`: what a recording is, before it is replayed or learned from."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from rich.text import Text

from ...pipeline.errors import BadInput
from ...pipeline.frames import NS_PER_S
from ...pipeline.recording import Recording
from ...pipeline.replay import open_recording
from ...pipeline.sidecar import time_zone
from ...pipeline.survey import STRIDE_ROWS, Survey
from ...pipeline.waterfall import Waterfall
from ...pipeline.windows import FEWEST_BINS, WINDOW_BINS, WINDOW_ROWS, segment_starts

_PROGRESS_ROWS = 1000


def inspect_command(
    file: Annotated[Path, typer.Argument(help="The recording; its sidecar is FILE.yaml.")],
    png: Annotated[Path | None, typer.Option("--png", help="Write a waterfall picture here.")] = None,
    zone: Annotated[
        str | None,
        typer.Option("--time-zone", metavar="ZONE", help="Of a file that holds local times: Europe/Madrid."),
    ] = None,
    channel: Annotated[int, typer.Option(min=0, help="Which channel, where there are several.")] = 0,
) -> None:
    """Say what a recording is: its axes, levels, gaps and problems, and how it will be cut into windows.

    Example: bandwatch inspect week.npy --png week.png
    """
    if png is not None:
        _check_place(png)
    place = None if zone is None else time_zone("--time-zone", zone)
    recording = open_recording(file, time_zone=place, channel=channel)
    survey = Survey(recording.rows, recording.bins)
    if png is None:
        _pass_over(recording, [survey])
    else:
        # matplotlib takes a second to import: only those who want a picture wait for it.
        from ..waterfall_figure import draw_waterfall, empty_waterfall

        waterfall = empty_waterfall(recording)
        _pass_over(recording, [survey, waterfall])
        draw_waterfall(recording, waterfall, png)
    console = Console()
    console.print(_table(recording, survey))
    for problem in recording.problems:
        console.print(Text(f"problem: {problem}", style="yellow"))
    if png is not None:
        console.print(Text(f"waterfall: {png}"))


def _check_place(png: Path) -> None:
    """Before the whole recording is read for a picture that has no place to go."""
    try:
        usable = not png.is_dir() and png.absolute().parent.is_dir()
    except OSError as error:
        raise BadInput(f"--png {png}: cannot be written: {error.strerror}") from None
    if not usable:
        raise BadInput(f"--png {png}; limit: a file in a folder that exists")


def _pass_over(recording: Recording, observers: Sequence[Survey | Waterfall]) -> None:
    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("reading", total=recording.rows)
        for count, item in enumerate(recording, start=1):
            for observer in observers:
                observer.add(item)
            if count % _PROGRESS_ROWS == 0:
                progress.update(task, completed=count)
    recording.require_finite_rows()


def _table(recording: Recording, survey: Survey) -> Table:
    table = Table(title=Text(str(recording.path)), title_justify="left", show_header=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in _facts(recording, survey):
        table.add_row(name, Text(value))
    return table


def _facts(recording: Recording, survey: Survey) -> list[tuple[str, str]]:
    every = survey.median_every
    last_hz = recording.first_hz + (recording.bins - 1) * recording.bin_hz
    broken = recording.rows - recording.finite_rows
    return [
        ("format", f"{recording.format}, values {recording.value_type}"),
        ("node / band", f"{recording.node} / {recording.band}"),
        ("from", _utc(recording.start_ns)),
        ("to", _utc(recording.end_ns)),
        ("lasting", _duration(recording.end_ns - recording.start_ns)),
        ("rows", f"{recording.rows:,}" + (f", {broken:,} of them with NaN or infinity" if broken else "")),
        ("a row every", f"{recording.step_ns / NS_PER_S:.9g} s ({_rate(recording.step_ns)})"),
        ("bins", f"{recording.bins:,} of {recording.bin_hz / 1e3:.9g} kHz"),
        ("bin centres", f"{recording.first_hz / 1e6:.9g} to {last_hz / 1e6:.9g} MHz"),
        ("unit", recording.unit),
        ("lowest level", f"{survey.lowest_db:.2f}"),
        ("median level", f"{survey.median_db:.2f}" + (f" (of one row in {every})" if every > 1 else "")),
        ("highest level", f"{survey.highest_db:.2f}"),
        ("gaps", f"{survey.gaps:,}, about {survey.lost_rows:,} rows lost" if survey.gaps else "none"),
        ("longest unbroken", f"{survey.unbroken_rows:,} rows"),
        ("windows", _windows(recording, survey)),
        *recording.facts.notes,
    ]


def _windows(recording: Recording, survey: Survey) -> str:
    starts = segment_starts(recording.bins)
    if not starts.size:
        return f"none: too_few_bins, {recording.bins} of at least {FEWEST_BINS}"
    if recording.bins < WINDOW_BINS:
        cut = f"1 segment, stretched from {recording.bins} to {WINDOW_BINS} columns"
    else:
        shared = starts.size * WINDOW_BINS - recording.bins
        many = "segment" if starts.size == 1 else "segments"
        cut = f"{starts.size} {many} of {WINDOW_BINS} bins" + (f", {shared} shared" if shared else "")
    if not survey.windows:
        return f"none: no {WINDOW_ROWS} rows without a break; {cut}"
    return f"{survey.windows:,}, one every {STRIDE_ROWS} rows of {WINDOW_ROWS}; {cut}"


def _utc(time_ns: int) -> str:
    seconds, ns = divmod(time_ns, NS_PER_S)
    fraction = f".{ns:09d}".rstrip("0") if ns else ""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}{fraction}Z"


def _duration(span_ns: int) -> str:
    seconds = span_ns / NS_PER_S
    for unit, length in (("days", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.4g} {unit}"
    return f"{seconds:.6g} s"


def _rate(step_ns: int) -> str:
    if step_ns < NS_PER_S:
        return f"{NS_PER_S / step_ns:.4g} rows a second"
    return f"{3600 * NS_PER_S / step_ns:.4g} rows an hour"
