"""The study of the components as a figure (the first paper's figure 3): variance and two maps."""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.offsetbox import AnnotationBbox, OffsetImage

from ..pipeline.frames import Float32, Int64
from ..pipeline.windows import ABOVE_FLOOR_DB, BELOW_FLOOR_DB
from .pca_study import PcaStudy
from .picture_places import apart

_WIDTH, _HEIGHT, _DOTS_PER_INCH = 11.0, 8.7, 130
_MAP_INCHES = 5.3
_PICTURE_INCHES, _LABEL_INCHES = 0.4, 0.17
_FRAME_INCHES = 0.08
_MARKED_SHARE = 0.85  # the paper's
_LEAST_RANGE_DB = 3.0  # of averages, in which bursts of any time are faint
_MOST_BRIGHTNESS = 0.5  # of a dot: fainter ones vanish on white


def _dark(colour: tuple[float, ...]) -> tuple[float, ...]:
    """The colour, darkened until it stands out from white."""
    red, green, blue = colour[:3]
    factor = min(1.0, _MOST_BRIGHTNESS / (0.299 * red + 0.587 * green + 0.114 * blue))
    return red * factor, green * factor, blue * factor


# Neighbours in the order of clusters are of other hues.
_COLOURS = [
    _dark(mpl.colormaps[name](n))
    for name, numbers in (("tab20", range(0, 20, 2)), ("tab20b", range(0, 20, 2)), ("tab20", range(1, 20, 2)))
    for n in numbers
]


def draw_components(study: PcaStudy, averages: Mapping[int, Float32]) -> Figure:
    """Above, the variance that the first components explain; below, the t-SNE maps of the features and of the
    points, each cluster's average spectrogram ([128, 128], by its number) upon its middle.

    Dark on an opaque white ground: the same in print and on a dark screen.
    """
    figure = Figure(figsize=(_WIDTH, _HEIGHT), dpi=_DOTS_PER_INCH, facecolor="white")
    FigureCanvasAgg(figure)
    across, up = _MAP_INCHES / _WIDTH, _MAP_INCHES / _HEIGHT
    variance = figure.add_axes((0.07, 0.745, 0.91, 0.215))
    of_features = figure.add_axes((0.01, 0.02, across, up))
    of_points = figure.add_axes((0.99 - across, 0.02, across, up))
    _draw_variance(variance, study)
    shown = f"{len(study.drawn):,} windows"
    _draw_map(of_features, study.features_map, study.clusters, averages)
    of_features.set_title(f"(b) map of the encoder's {len(study.cumulative_variance)} features, {shown}")
    _draw_map(of_points, study.points_map, study.clusters, averages)
    of_points.set_title(f"(c) map of their {study.components} principal components, the same windows")
    return figure


def _draw_variance(axes: Axes, study: PcaStudy) -> None:
    count = np.arange(1, len(study.cumulative_variance) + 1)
    axes.plot(count, study.cumulative_variance, color="tab:blue", linewidth=1.5)
    for number, share, colour in (
        (study.components_for(_MARKED_SHARE), _MARKED_SHARE, "0.35"),
        (study.components, study.kept_variance, "tab:red"),
    ):
        axes.plot([number, number, 0], [0, share, share], color=colour, linewidth=0.9, linestyle="--")
        axes.annotate(
            f"{number} components: {share:.0%}",
            (number, share),
            xytext=(8, -14),
            textcoords="offset points",
            color=colour,
            bbox={"boxstyle": "round,pad=0.15", "facecolor": "white", "edgecolor": "none", "alpha": 0.9},
        )
    axes.set(
        title="(a) variance that the first components explain",
        xlabel="number of components",
        ylabel="share of the variance",
        xlim=(0, len(count)),
        ylim=(0, 1.02),
    )
    axes.grid(alpha=0.3)


def _draw_map(axes: Axes, places: Float32, clusters: Int64, averages: Mapping[int, Float32]) -> None:
    numbers = [int(number) for number in np.unique(clusters)]
    colours = {number: _COLOURS[order % len(_COLOURS)] for order, number in enumerate(numbers)}
    for number in numbers:
        axes.scatter(*places[clusters == number].T, s=7, color=colours[number], linewidths=0)
    least, most = places.min(axis=0).astype(np.float64), places.max(axis=0).astype(np.float64)
    edge = 0.06 * np.maximum(most - least, 1e-6)
    (left, low), (right, high) = least - edge, most + edge
    axes.set(xticks=[], yticks=[], xlim=(left, right), ylim=(low, high))
    shown = [number for number in numbers if number in averages]
    if not shown:
        return
    inches_a_unit = _MAP_INCHES / np.array([right - left, high - low])
    middles = np.stack([_middle(places[clusters == number]) for number in shown])
    placed = apart(
        (middles - (left, low)) * inches_a_unit,
        (_PICTURE_INCHES + _FRAME_INCHES, _PICTURE_INCHES + _FRAME_INCHES + _LABEL_INCHES),
        (_MAP_INCHES, _MAP_INCHES),
    )
    most_level = _most_level([averages[number] for number in shown])
    for number, middle, at in zip(shown, middles, placed, strict=True):
        # The label stands above the picture, within what was kept free for both.
        centre = at - np.array((0, _LABEL_INCHES / 2))
        label = centre + np.array((0, (_PICTURE_INCHES + _LABEL_INCHES) / 2))
        image = OffsetImage(
            averages[number],
            zoom=72 * _PICTURE_INCHES / averages[number].shape[0],
            cmap="viridis",
            norm=Normalize(_FLOOR, most_level),
        )
        box = AnnotationBbox(
            image,
            tuple(middle),
            xybox=tuple(centre / inches_a_unit + np.array((left, low))),
            boxcoords="data",
            pad=0.08,
            bboxprops={"edgecolor": colours[number], "linewidth": 1.6},
            arrowprops={"arrowstyle": "-", "color": colours[number], "linewidth": 0.8},
        )
        axes.add_artist(box)
        across, up = label / inches_a_unit + np.array((left, low))
        axes.text(
            across,
            up,
            f"{number}",
            ha="center",
            va="center",
            fontsize=8,
            fontweight="bold",
            bbox={"boxstyle": "round,pad=0.1", "facecolor": "white", "edgecolor": "none", "alpha": 0.85},
            zorder=5,
        )


_SPAN_DB = BELOW_FLOOR_DB + ABOVE_FLOOR_DB
_FLOOR = BELOW_FLOOR_DB / _SPAN_DB


def _middle(inside: Float32) -> Float32:
    """The window nearest to the cluster's middle: the middle itself may lie between two parts of it."""
    return inside[np.square(inside - np.median(inside, axis=0)).sum(axis=1).argmin()]


def _most_level(averages: list[Float32]) -> float:
    """The top of one scale for all: of the strongest picture all but one pixel in five hundred."""
    least = _FLOOR + _LEAST_RANGE_DB / _SPAN_DB
    return max(least, *(float(np.quantile(values, 0.998)) for values in averages))
