"""Loss and assignments over the epochs of trainings as a PNG file (the first paper's figure 4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from ..pipeline.errors import BadInput
from .training_curves import TrainingCurves

_WIDTH, _HEIGHT, _DOTS_PER_INCH = 6.0, 6.0, 130
_FEWEST_EPOCHS_SHADED = 3  # shorter cycles would paint the whole picture


def draw_curves(png: Path, columns: Mapping[str, Sequence[TrainingCurves]]) -> None:
    """Write a column for each title: above, the loss of its trainings by epoch; below, at each clustering,
    its agreement with the one before (NMI) and the share of windows that changed their cluster.

    Every other cycle of a training is shaded. Raises BadInput where the file cannot be written.
    """
    figure = Figure(figsize=(_WIDTH * len(columns), _HEIGHT), dpi=_DOTS_PER_INCH, layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.subplots(2, len(columns), sharex=True, sharey="row", squeeze=False)
    for number, (title, trainings) in enumerate(columns.items()):
        upper, lower = grid[0, number], grid[1, number]
        upper.set_title(title)
        for axes in (upper, lower):
            _shade_cycles(axes, trainings)
            axes.grid(alpha=0.3)
        for training in trainings:
            _draw(upper, lower, training)
        upper.set_ylabel("loss: mean cross-entropy, nats")
        lower.set_ylim(0, 1.02)
        lower.set_ylabel("clustering, against the one before")
        lower.set_xlabel("epochs done")
        if trainings:
            lower.legend(handles=lower.get_lines()[:2], loc="best")
    grid[0, 0].set_ylim(bottom=0)  # once all is drawn: it ends the shared axis' own choice of a top
    try:
        figure.savefig(png, format="png")
    except OSError as error:
        raise BadInput(f"{png}: cannot be written: {error.strerror}") from None


def _draw(upper: Axes, lower: Axes, training: TrainingCurves) -> None:
    done = [epoch.number + 1 for epoch in training.epochs]
    upper.plot(done, [epoch.loss for epoch in training.epochs], color="C0", linewidth=1, marker=".")
    # A clustering stands between two epochs: at the number of those done by then.
    nmi = {epoch.number: epoch.nmi for epoch in training.epochs if epoch.nmi is not None}
    changed = {epoch.number: epoch.changed for epoch in training.epochs if epoch.changed is not None}
    lower.plot([*nmi], [*nmi.values()], color="C2", marker=".", label="NMI")
    label = "share of windows that changed"
    lower.plot([*changed], [*changed.values()], color="C3", marker=".", linestyle="--", label=label)


def _shade_cycles(axes: Axes, trainings: Sequence[TrainingCurves]) -> None:
    if not trainings or trainings[0].cycle < _FEWEST_EPOCHS_SHADED:
        return
    epochs = max(len(training.epochs) for training in trainings)
    cycle = trainings[0].cycle
    for first in range(cycle, epochs, 2 * cycle):
        axes.axvspan(first, min(first + cycle, epochs), color="0.5", alpha=0.12, linewidth=0)
