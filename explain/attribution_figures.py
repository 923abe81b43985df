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
from .plain_names import PixelSize

_PAIR_WIDTH, _PAIR_HEIGHT, _DOTS_PER_INCH = 5.6, 2.8, 130
_PAIRS_A_ROW = 2
_FULL_COLOUR_QUANTILE = 0.999  # a single pixel must not bleach all others
_LEAST_RANGE_DB = 3.0


def draw_attributions(
    windows: Float32, maps: Float32, titles: Sequence[str], pixel: PixelSize | None = None
) -> Figure:
    """A pair for each title: left the spectrogram in dB above the noise floor, right its attribution.

    Of single windows it is figure 5, of the averages of clusters figure 6. Time runs downward. Red spoke for
    the cluster, blue against it, white is 0; each map has a scale of its own, so that strengths compare
    within a map only. Axes are in Hz and seconds of a `pixel`; in bins and rows without. Dark on an opaque
    white ground: the same in print and on a dark screen.

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
        _spectrogram(left, window, pixel)
        _attribution(right, attribution, pixel)
    return figure


def _spectrogram(axes: Axes, window: Float32, pixel: PixelSize | None) -> None:
    span_db = BELOW_FLOOR_DB + ABOVE_FLOOR_DB
    level_db = window * span_db - BELOW_FLOOR_DB
    # From the floor on, as in all spectrograms: below it is nothing but noise.
    most_db = max(_LEAST_RANGE_DB, float(np.quantile(level_db, _FULL_COLOUR_QUANTILE)))
    image = axes.imshow(
        level_db,
        cmap="viridis",
        vmin=0.0,
        vmax=most_db,
        aspect="auto",
        interpolation="nearest",
        extent=_extent(window, pixel),
    )
    axes.figure.colorbar(image, ax=axes, label="dB above the floor")
    axes.set(xlabel=_across(pixel), ylabel="row" if pixel is None else "seconds")


def _attribution(axes: Axes, attribution: Float32, pixel: PixelSize | None) -> None:
    most = float(np.quantile(np.abs(attribution), _FULL_COLOUR_QUANTILE)) or float(np.abs(attribution).max())
    limit = most or 1.0  # a map of nothing but 0 is white
    image = axes.imshow(
        attribution / limit,
        cmap="RdBu_r",
        vmin=-1,
        vmax=1,
        aspect="auto",
        interpolation="nearest",
        extent=_extent(attribution, pixel),
    )
    bar = axes.figure.colorbar(image, ax=axes, ticks=[-1, 0, 1])
    bar.ax.set_yticklabels(["against", "0", "for it"])
    axes.set(xlabel=_across(pixel))


def _across(pixel: PixelSize | None) -> str:
    return "bin" if pixel is None else f"{pixel.across[0]} from the middle"


def _extent(window: Float32, pixel: PixelSize | None) -> tuple[float, float, float, float]:
    rows, bins = window.shape
    if pixel is None:
        return 0.0, bins, rows, 0.0
    half = bins / 2 * pixel.bin_hz / pixel.across[1]
    return -half, half, rows * pixel.row_seconds, 0.0
