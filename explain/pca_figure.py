"""The study of the components as a figure (the first paper's figure 3): variance and two maps."""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.offsetbox import AnnotationBbox, OffsetImage

from ..pipeline.frames import Float32, Int64
from .pca_study import PcaStudy

_WIDTH, _HEIGHT, _DOTS_PER_INCH = 10.0, 13.5, 130
_PICTURE_ZOOM = 0.24  # 128 pixels on 0.3 of an inch or so
_MARKED_SHARE = 0.85  # the paper's
_COLOURS = [mpl.colormaps[name](n) for name in ("tab20", "tab20b") for n in range(20)]


def draw_components(study: PcaStudy, averages: Mapping[int, Float32]) -> Figure:
    """Above, the variance that the first components explain; below, the t-SNE maps of the features and of the
    points, each cluster's average spectrogram ([128, 128], by its number) upon its middle.

    Dark on an opaque white ground: the same in print and on a dark screen.
    """
    figure = Figure(figsize=(_WIDTH, _HEIGHT), dpi=_DOTS_PER_INCH, layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    variance, of_features, of_points = figure.subplots(3, 1, height_ratios=(1, 2.1, 2.1))
    _draw_variance(variance, study)
    shown = f"{len(study.drawn)} windows"
    _draw_map(of_features, study.features_map, study.clusters, averages)
    of_features.set_title(f"(b) t-SNE of the encoder's {len(study.cumulative_variance)} features, {shown}")
    _draw_map(of_points, study.points_map, study.clusters, averages)
    of_points.set_title(f"(c) t-SNE of their {study.components} principal components, the same windows")
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
        xlabel="components",
        ylabel="share of the variance",
        xlim=(0, len(count)),
        ylim=(0, 1.02),
    )
    axes.grid(alpha=0.3)


def _draw_map(axes: Axes, places: Float32, clusters: Int64, averages: Mapping[int, Float32]) -> None:
    axes.set(xticks=[], yticks=[])
    for order, cluster in enumerate(np.unique(clusters)):
        inside = places[clusters == cluster]
        colour = _COLOURS[order % len(_COLOURS)]
        axes.scatter(*inside.T, s=4, color=colour, linewidths=0)
        if int(cluster) not in averages:
            continue
        # The window nearest to the cluster's middle: the middle itself may lie between two parts of it.
        middle = inside[np.square(inside - np.median(inside, axis=0)).sum(axis=1).argmin()]
        image = OffsetImage(averages[int(cluster)], zoom=_PICTURE_ZOOM, cmap="viridis")
        box = AnnotationBbox(image, tuple(middle), pad=0.1, bboxprops={"edgecolor": colour, "linewidth": 1.8})
        axes.add_artist(box)
        axes.annotate(
            f"{cluster}",
            tuple(middle),
            xytext=(0, 15),
            textcoords="offset points",
            ha="center",
            fontsize=7,
            fontweight="bold",
            bbox={"boxstyle": "round,pad=0.15", "facecolor": "white", "edgecolor": colour, "alpha": 0.9},
            zorder=5,
        )
