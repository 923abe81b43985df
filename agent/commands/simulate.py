"""`bandwatch simulate`: a recording of the simulated band and its truth."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from ...pipeline.errors import BadInput
from ...pipeline.frames import NS_PER_S
from ...pipeline.named_scenes import BANDS, scene_named
from ...pipeline.simulated_recording import write_recording
from ...pipeline.simulator import START_2026_NS, Simulator


def simulate_command(
    seconds: Annotated[float, typer.Option(help="How long a stretch of the band to record.")],
    out: Annotated[
        Path,
        typer.Option(
            help="The recording: .npy, .npz or .h5; with --iq .sigmf-meta, .cf32 or .cs16. "
            "What does not describe itself has the sidecar OUT.yaml."
        ),
    ],
    seed: Annotated[int, typer.Option(help="The same seed gives the same recording.")] = 0,
    truth: Annotated[
        Path | None, typer.Option(help="Where to write what was sent, one JSON object a line.")
    ] = None,
    scene: Annotated[str, typer.Option(help=f"What is heard: {', '.join(BANDS)}.")] = "default",
    windows: Annotated[
        Path | None,
        typer.Option(help="Where to write what each window shows (128 rows apart), one JSON object a line."),
    ] = None,
    iq: Annotated[bool, typer.Option("--iq", help="Samples of the same transmissions, not power.")] = False,
) -> None:
    """Write a recording of a simulated band, of 868 MHz unless --scene is varied or broad, and its truth.

    Example: bandwatch simulate --seconds 3600 --seed 7 --out band.h5 --truth band.truth.jsonl
    """
    heard = scene_named(scene, max(seed, 0))
    row_seconds = heard.duration_ns / NS_PER_S
    if not (math.isfinite(seconds) and seconds >= row_seconds):
        raise BadInput(f"--seconds is {seconds:g}, it must be a number of at least one row, {row_seconds:g}")
    rows = round(seconds / row_seconds)
    if windows is not None and windows.resolve() in [each.resolve() for each in (out, truth) if each]:
        raise BadInput(f"{windows}: what windows show needs a file of its own, this is another's")
    if windows is not None and not windows.parent.is_dir():
        raise BadInput(f"{windows}: the folder {windows.parent} does not exist")
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        if not iq:
            simulator = Simulator(seed, scene=heard, band=BANDS[scene])
            task = progress.add_task("simulating", total=rows)
            write_recording(
                simulator, out, rows, truth_path=truth, on_rows=lambda done: progress.advance(task, done)
            )
            said = f"{out}: {rows} rows of {heard.bins} bins, {rows * row_seconds:g} s"
        else:
            # scipy.signal takes a second to import: only samples need it.
            from ...pipeline.simulated_iq import SimulatedBand, write_iq_recording

            band = SimulatedBand(seed, heard, START_2026_NS, rows, band=BANDS[scene])
            rate_hz = heard.bins * heard.bin_hz
            task = progress.add_task("simulating", total=rows * row_seconds * rate_hz)
            clipped = write_iq_recording(
                band, out, truth_path=truth, on_samples=lambda done: progress.advance(task, done)
            )
            said = f"{out}: {round(rows * row_seconds * rate_hz)} samples at {rate_hz:g} a second"
            if clipped:
                typer.echo(f"problem: {clipped:,} samples were beyond full scale and are clipped", err=True)
    typer.echo(said)
    if windows is not None:
        from ..window_truth_file import write_window_truth

        written = write_window_truth(windows, seed, heard, START_2026_NS, rows)
        typer.echo(f"{windows}: {written} windows")
