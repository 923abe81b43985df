"""A training's files while it goes on: checkpoint, curves, picture; and how it is stopped."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from ..models.training_curves import Epoch

INTERRUPTED = 130


class TrainingFiles:
    """What lies in OUT.training while a training goes on, and the picture of its curves if one is wanted."""

    def __init__(self, folder: Path, plot: Path | None) -> None:
        from ..models.training_curves import CurveLog

        self.checkpoint = folder / "encoder.checkpoint"
        self.epochs: list[Epoch] = []
        self._curves = folder / "curves.jsonl"
        self._log = CurveLog(self._curves)
        self._plot = plot

    def add(self, epoch: Epoch, cycle: int, *, is_last: bool) -> None:
        """Log an epoch; draw where a clustering or the end has come."""
        self.epochs.append(epoch)
        self._log.add(epoch)
        if self._plot is None or not (is_last or epoch.reclustered):
            return
        from ..models.curve_figure import draw_curves
        from ..models.training_curves import TrainingCurves

        title = f"a clustering every {cycle} epochs" if cycle > 1 else "a clustering every epoch"
        draw_curves(self._plot, {title: [TrainingCurves(cycle, self.epochs)]})

    def forget(self) -> None:
        """Remove all of them but the picture; the folder, too, if nothing else is in it."""
        from ..models.checkpoint import forget_checkpoint

        for file in (self._curves, self.checkpoint):
            forget_checkpoint(file)


@contextmanager
def stopped_in_one_line(files: TrainingFiles, epochs: int) -> Iterator[None]:
    """Ctrl-C and SIGTERM end the command at once with a line; every file is written whole or not at all."""

    def interrupt(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - the signature signal wants
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    except KeyboardInterrupt:
        done = len(files.epochs)
        when = f"after {done} of {epochs} epochs" if done else "before an epoch was over"
        is_kept = files.checkpoint.is_file()  # also if this run had not come to read it yet
        then = f"the same command goes on from {files.checkpoint.parent}" if is_kept else "nothing is kept"
        typer.echo(f"stopped {when}; {then}", err=True)
        raise typer.Exit(INTERRUPTED) from None
    finally:
        signal.signal(signal.SIGTERM, before)
