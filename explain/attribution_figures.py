"""Spectrograms beside maps of what in them spoke for their cluster (the first paper's figures 5 and 6)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from ..pipeline.errors import BadInput
from ..pipeline.frames import Float32
from ..pipeline.windows import ABOVE_FLOOR_DB, BELOW_FLOOR_DB

_PAIR_WIDTH, _PAIR_HEIGHT, _DOTS_PER_INCH = 5.0, 2.7, 130
_PAIRS_A_ROW = 2
_FULL_COLOUR_QUANTILE = 0.999  # a single pixel must not bleach all others


def draw_attributions(windows: Float32, maps: Float32, titles: Sequence[str]) -> Figure:
    """A pair for each title: left the spectrogram in dB above the noise floor, right its attribution.

    Of single windows it is figure 5, of the averages of clusters figure 6. Time runs downward. Red spoke for
    the cluster, blue against it, white is 0; each map has a scale of its own, so that strengths compare
    within a map only. Dark on an opaque white ground: the same in print and on a dark screen.

    Shape: windows, maps [n, 128, 128], n titles. Raises BadInput where these differ or are none.
    """
    if windows.ndim != 3 or windows.shape != maps.shape or len(titles) != len(windows) or not len(windows):
        raise BadInput(
            f"attributions of windows {list(windows.shape)}, maps {list(maps.shape)} and "
            f"{len(titles)} titles: needs as many of each, at least 1"
        )
    rows = -(-len(titles) // _PAIRS_A_ROW)
    columns = min(len(titles), _PAIRS_A_ROW)
    figure = Figure(
        figsize=(_PAIR_WIDTH * columns, _PAIR_HEIGHT * rows),
        dpi=_DOTS_PER_INCH,
        layout="constrained",
        facecolor="white",
    )
    FigureCanvasAgg(figure)
    pairs = figure.subfigures(rows, columns, squeeze=False).ravel()
    for pair, window, attribution, title in zip(pairs, windows, maps, titles, strict=False):
        pair.suptitle(title, fontsize=9)
        left, right = pair.subplots(1, 2, sharex=True, sharey=True)
        _spectrogram(left, window)
        _attribution(right, attribution)
    return figure


def _spectrogram(axes: Axes, window: Float32) -> None:
    span_db = BELOW_FLOOR_DB + ABOVE_FLOOR_DB
    level_db = window * span_db - BELOW_FLOOR_DB
    image = axes.imshow(level_db, cmap="viridis", aspect="auto", interpolation="nearest")
    axes.figure.colorbar(image, ax=axes, label="dB above the floor")
    axes.set(xlabel="bin", ylabel="row")


def _attribution(axes: Axes, attribution: Float32) -> None:
    most = float(np.quantile(np.abs(attribution), _FULL_COLOUR_QUANTILE)) or float(np.abs(attribution).max())
    limit = most or 1.0  # a map of nothing but 0 is white
    image = axes.imshow(
        attribution / limit, cmap="RdBu_r", vmin=-1, vmax=1, aspect="auto", interpolation="nearest"
    )
    axes.figure.colorbar(image, ax=axes, ticks=[-1, 0, 1], label="attribution")
    axes.set(xlabel="bin")
