"""Portraits of clusters as figures (the first paper's figure 8), in Hz, seconds and dB.

Dark on an opaque white ground: the same in print and on a dark screen.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from numpy.typing import NDArray

from ..pipeline.errors import BadInput
from ..pipeline.frames import Float32, Int64
from .amounts import percent
from .origins import HOURS
from .plain_names import PixelSize
from .portraits import LEVEL_QUANTILES, Portrait
from .said import shortened

_DOTS_PER_INCH = 130
_CELL_WIDTH, _CELL_HEIGHT, _MOST_COLUMNS = 2.5, 2.35, 4
_MOST_NAME = 18  # characters over a cell
_LEAST_RANGE_DB = 10.0
_LEAST_AVERAGE_RANGE_DB = 3.0  # bursts of any time are faint in an average
_OWN, _ALL = "tab:blue", "0.45"


def draw_portraits(
    portraits: Sequence[Portrait], pixel: PixelSize, names: Mapping[int, str] | None = None
) -> Figure:
    """All clusters: above, the average spectrogram; below, the share of its windows from each segment of the
    band, beside that of all windows (line). One scale of levels for all. Raises BadInput where there is none.
    """
    if not portraits:
        raise BadInput("portraits: no cluster has had a window")
    columns = min(_MOST_COLUMNS, len(portraits))
    rows = -(-len(portraits) // columns)
    figure = _figure(_CELL_WIDTH * columns + 1.2, _CELL_HEIGHT * rows + 0.5)
    most_db = _most_db([portrait.mean_db for portrait in portraits], _LEAST_AVERAGE_RANGE_DB)
    cells = figure.subplots(2 * rows, columns, squeeze=False, gridspec_kw={"height_ratios": [3, 1.1] * rows})
    image = None
    for number in range(rows * columns):
        row, column = divmod(number, columns)
        above, below = cells[2 * row, column], cells[2 * row + 1, column]
        if number >= len(portraits):
            above.set_axis_off()
            below.set_axis_off()
            continue
        portrait = portraits[number]
        image = _draw_spectrogram(above, portrait.mean_db, pixel, most_db)
        above.set_title(_title(portrait, names, _MOST_NAME), fontsize=9)
        _draw_shares(below, portrait.origins.segments, portrait.origins.all_segments)
        for axes in (above, below):
            axes.tick_params(labelsize=8, pad=1.5)
        if number + columns >= len(portraits):  # the last of its column
            above.set_xlabel(f"{pixel.across[0]} from the middle", fontsize=8, labelpad=1)
            below.set_xlabel("segment of the band", fontsize=8, labelpad=1)
        if column == 0:
            above.set_ylabel("seconds", fontsize=8)
            below.set_ylabel("share, %", fontsize=8)
    figure.legend(*cells[1, 0].get_legend_handles_labels(), loc="outside upper right", ncols=2, fontsize=9)
    if image is not None:
        bar = figure.colorbar(image, ax=cells.ravel().tolist(), fraction=0.02, pad=0.01, aspect=40)
        bar.set_label("average level, dB above the floor")
    return figure


def draw_portrait(
    portrait: Portrait,
    pixel: PixelSize,
    middles_hz: NDArray[np.float64],
    names: Mapping[int, str] | None = None,
) -> Figure:
    """One cluster: its average spectrogram and most typical window, its levels over frequency, where in the
    band (`middles_hz` [segments]) and at which hours its windows were heard, beside all windows (line)."""
    figure = _figure(11.0, 6.4)
    figure.suptitle(_title(portrait, names), fontsize=11)
    above, below = figure.subfigures(2, 1, squeeze=False, height_ratios=[3, 2]).ravel()
    average, typical, levels = above.subplots(1, 3)
    across = f"{pixel.across[0]} from the middle"
    for axes, values, least_db, title in (
        (average, portrait.mean_db, _LEAST_AVERAGE_RANGE_DB, "average of its windows"),
        (typical, portrait.typical_db, _LEAST_RANGE_DB, "its most typical window"),
    ):
        if values is None:
            axes.set_axis_off()
            continue
        image = _draw_spectrogram(axes, values, pixel, _most_db([values], least_db))
        axes.set(title=title, xlabel=across, ylabel="seconds")
        above.colorbar(image, ax=axes, label="dB above the floor")
    _draw_levels(levels, portrait.level_db, pixel)
    levels.set(title="levels over frequency", xlabel=across, ylabel="dB above the floor")
    heard = np.flatnonzero(portrait.origins.all_hours)
    if len(heard) > 1:
        segments, hours = below.subplots(1, 2)
        _draw_shares(hours, portrait.origins.hours, portrait.origins.all_hours)
        hours.set_xticks(range(0, HOURS, 6), [f"{hour:02}:00" for hour in range(0, HOURS, 6)])
        hours.set(title="at which hour", xlabel="hour of the day, UTC", ylabel="share of windows, %")
    else:  # where all is of one hour there is nothing to compare
        segments = below.subplots()
    _draw_shares(segments, portrait.origins.segments, portrait.origins.all_segments)
    places = np.unique(np.linspace(0, len(middles_hz) - 1, min(4, len(middles_hz))).round().astype(int))
    segments.set_xticks(places, [f"{middles_hz[place] / 1e6:.3f}" for place in places])
    segments.set(title="where in the band", xlabel="MHz, middle of the segment", ylabel="share of windows, %")
    figure.legend(*segments.get_legend_handles_labels(), loc="outside lower center", ncols=2, frameon=False)
    return figure


def _figure(width: float, height: float) -> Figure:
    figure = Figure(figsize=(width, height), dpi=_DOTS_PER_INCH, layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def _title(portrait: Portrait, names: Mapping[int, str] | None, most: int = 64) -> str:
    name = shortened((names or {}).get(portrait.cluster, ""), most)
    # A name is text: matplotlib would take what stands between dollars for mathematics.
    called = f"cluster {portrait.cluster}" + (f": {name}" if name else "").replace("$", r"\$")
    count = f"{portrait.windows:,}".replace(",", " ")
    return f"{called}\n{count} windows, {percent(portrait.origins.share)}"


def _most_db(pictures: Sequence[Float32], least_db: float) -> float:
    """The top of the scale: of the strongest picture all but one pixel in five hundred."""
    return max(least_db, *(float(np.quantile(values, 0.998)) for values in pictures))


def _draw_spectrogram(axes: Axes, values_db: Float32, pixel: PixelSize, most_db: float) -> AxesImage:
    half = values_db.shape[1] / 2 * pixel.bin_hz / pixel.across[1]
    seconds = values_db.shape[0] * pixel.row_seconds
    return axes.imshow(
        values_db,
        cmap="viridis",
        vmin=0.0,
        vmax=most_db,
        aspect="auto",
        interpolation="nearest",
        extent=(-half, half, seconds, 0.0),
    )


def _draw_levels(axes: Axes, level_db: Float32, pixel: PixelSize) -> None:
    bins = level_db.shape[1]
    places = (np.arange(bins) - (bins - 1) / 2) * pixel.bin_hz / pixel.across[1]
    for values, quantile, colour in zip(
        level_db, LEVEL_QUANTILES, ("0.6", "0.2", _OWN, "tab:red"), strict=True
    ):
        axes.plot(places, values, color=colour, linewidth=1, label=f"{quantile:.0%}")
    axes.grid(alpha=0.3)
    axes.legend(
        *(each[::-1] for each in axes.get_legend_handles_labels()),  # as the lines lie, the highest first
        title="of the rows\nlie below",
        fontsize=8,
        title_fontsize=8,
        loc="upper left",
        bbox_to_anchor=(1.02, 1.0),
        frameon=False,
    )


def _draw_shares(axes: Axes, own: Int64, whole: Int64) -> None:
    places = np.arange(len(own))
    axes.bar(places, 100 * own / max(own.sum(), 1), color=_OWN, label="this cluster")
    edges = np.append(places - 0.5, len(own) - 0.5)
    axes.stairs(100 * whole / max(whole.sum(), 1), edges, color=_ALL, linewidth=1.2, label="all windows")
    axes.set_ylim(bottom=0)
    axes.set_xlim(-0.5, len(own) - 0.5)
