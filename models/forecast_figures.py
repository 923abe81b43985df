"""The third paper's figures 2 to 6 and its tables 1, 3 and 5, of an evaluation, in a folder."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from ..pipeline.errors import BadInput
from .forecast_evaluation import ForecastEvaluation, ModelResult
from .forecast_models import BASELINES
from .forecast_scores import Floats, ForecastScores
from .forecast_tables import markdown_tables
from .tensor_file import write_atomically

_DOTS_PER_INCH = 130
_MARKERS = "osv^D*PXd<>ph"


def draw_forecast_figures(folder: Path, evaluation: ForecastEvaluation) -> None:
    """Write `figure2.png` to `figure6.png` and `tables.md`; the folder is made where it is not there.

    2: the spectrum over time, with the rows and columns in question. 3 and 4: RMSE and MAPE by step ahead.
    5 and 6: the same by frequency. Raises BadInput where they cannot be written.
    """
    unit = evaluation.question.rows.table.unit
    results = evaluation.together()
    horizons = np.arange(1, evaluation.question.horizon + 1)
    frequencies_hz = evaluation.question.rows.table.frequencies_hz
    asked_hz = np.concatenate([frequencies_hz[columns] for columns in evaluation.question.columns])
    frequencies_mhz = _set_by_set(evaluation, asked_hz / 1e6)
    ahead, across = "steps ahead", "frequency, MHz"
    rmse, mape = f"RMSE, {unit}", "MAPE, %"
    figures = {
        "figure2": _heatmap(evaluation),
        "figure3": _lines(results, horizons, lambda each: each.rmse_by_horizon, ahead, rmse),
        "figure4": _lines(results, horizons, lambda each: each.mape_by_horizon, ahead, mape),
        "figure5": _lines(
            results, frequencies_mhz, lambda each: _set_by_set(evaluation, each.rmse_by_column), across, rmse
        ),
        "figure6": _lines(
            results, frequencies_mhz, lambda each: _set_by_set(evaluation, each.mape_by_column), across, mape
        ),
    }
    try:
        folder.mkdir(exist_ok=True)
        for name, figure in figures.items():
            content = io.BytesIO()  # whole or not at all, as the disk may be full
            figure.savefig(content, format="png")
            write_atomically(folder / f"{name}.png", content.getvalue())
        write_atomically(folder / "tables.md", markdown_tables(evaluation).encode())
    except OSError as error:
        raise BadInput(f"{folder}: cannot be written: {error.strerror}") from None


def _figure(width: float, height: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(width, height), dpi=_DOTS_PER_INCH, layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.subplots()


def _heatmap(evaluation: ForecastEvaluation) -> Figure:
    """Rows from left to right, frequencies upwards, as the paper's; missing rows are white."""
    question = evaluation.question
    table = question.rows.table
    shown = np.full((question.rows.count, table.frequencies_hz.size), np.nan, np.float32)
    shown[question.rows.number] = table.values
    low, high = np.nanpercentile(shown, (0.5, 99.5))
    figure, axes = _figure(9, 4.5)
    edges = _edges(table.frequencies_hz / 1e6)
    # Of long recordings every so many rows: the picture has no more.
    every = max(1, len(shown) // 4000)
    rows = np.append(np.arange(0, len(shown), every), len(shown))
    image = axes.pcolormesh(rows, edges, shown[::every].T, cmap="turbo", vmin=low, vmax=high, rasterized=True)
    figure.colorbar(image, ax=axes, label=table.unit)
    above = axes.get_xaxis_transform()
    for part, words in ((question.train, "learned from"), (question.test, "forecast")):
        axes.text((part.start + part.stop) / 2, 1.01, words, transform=above, ha="center", va="bottom")
        for row in (part.start, part.stop):
            axes.axvline(row, color="white", linewidth=1, linestyle="--")
    for columns in question.columns:
        for edge in (columns.start, columns.stop):
            axes.axhline(float(edges[edge]), color="black", linewidth=0.6, linestyle=":")
    axes.set_xlabel(f"row, of {table.step_s:g} s")
    axes.set_ylabel("frequency, MHz (between dotted lines: forecast)")
    return figure


def _lines(
    results: Mapping[str, ModelResult],
    places: Floats | np.ndarray,
    figures: Callable[[ForecastScores], Floats],
    along: str,
    what: str,
) -> Figure:
    """A line for each model, means over seeds; baselines dashed."""
    figure, axes = _figure(8, 4.5)
    colours = mpl.colormaps["tab20"]
    for number, (name, result) in enumerate(results.items()):
        axes.plot(
            places,
            figures(result.mean),
            color=colours(number % 20),
            marker=_MARKERS[number % len(_MARKERS)],
            markersize=4,
            linestyle="--" if name in BASELINES else "-",
            linewidth=2.5 if name == "default" else 1.2,
            label=name,
        )
    axes.set_xlabel(along)
    axes.set_ylabel(what)
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


def _set_by_set(evaluation: ForecastEvaluation, values: Floats) -> Floats:
    """Figures of all columns asked for [f], NaN behind each set: no line joins it to the next."""
    ends = np.cumsum([columns.stop - columns.start for columns in evaluation.question.columns])
    return np.insert(values, ends, np.nan)


def _edges(middles: Floats) -> Floats:
    """Of columns with these middles. Shape: [F] -> [F + 1]."""
    if middles.size == 1:
        return np.array([middles[0] - 0.5, middles[0] + 0.5])
    between = (middles[1:] + middles[:-1]) / 2
    return np.concatenate([[2 * middles[0] - between[0]], between, [2 * middles[-1] - between[-1]]])
