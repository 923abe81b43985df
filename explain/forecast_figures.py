"""The figures of a forecast study, each with its numbers: map, top frequencies, measures, errors, time."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ..models.forecast_question import ForecastQuestion
from ..models.forecast_rows import ForecastRows
from ..pipeline.frames import Float32
from ..pipeline.histories import HISTORY_STEPS
from .chosen_inputs import chosen_figure
from .forecast_hours import HOURS, hours_of
from .forecast_study import DEFAULT, MEASURES, PERMUTATION, SHAP, ForecastStudy
from .frequency_ranges import range_said
from .importance import most_important
from .report_figure import ReportFigure, report_figure

TOP = 30  # the paper's
MAP, DEFAULT_MAP = "map.png", "default-map.png"
TOP_FREQUENCIES, ALL_FREQUENCIES = "top-frequencies.svg", "frequencies.svg"
ERRORS, TIME = "errors.svg", "time.svg"
_MOST_PIXELS = 1200
_BLUE, _RED, _GREY = "#1f5fa8", "#b3261e", "#8a939c"
_COLOURS = {
    DEFAULT: _RED,
    "gc-cnn-lstm": "#0b8f8f",
    "shap-cnn-lstm": "#7a4b2a",
    "repeat-last": "#3c444d",
    "mean-24": "#e08a00",
    "seasonal": "#2a9d5c",
    "nlinear": "#8e5bb5",
    "ridge": "#b59b00",
}


def figure_count(study: ForecastStudy) -> int:
    return 7 if study.selected else 6


def forecast_figures(study: ForecastStudy) -> Iterator[ReportFigure]:
    """`figure_count` of them, in the order of the page."""
    yield map_figure(study.question, study.network, study.map, study.mapped)
    yield _default_map(study)
    yield _top(study)
    yield _all(study)
    yield _errors(study)
    yield _time(study)
    if study.selected:
        yield chosen_figure(study)


def map_figure(question: ForecastQuestion, network: str, whole: Float32, mapped: int) -> ReportFigure:
    """The global map I(t, f) of a network under what was heard; `whole` [rows, F] is of `mapped` windows."""
    rows = question.rows
    heard = np.full(whole.shape, np.nan, np.float32)
    heard[rows.number] = rows.table.values
    figure = _figure(11, 8.4)
    above, below = figure.subplots(2, 1, sharex=True)
    _heat(figure, above, rows, heard, "turbo", rows.table.unit)
    above.set_title("what was heard")
    usual = float(np.nanmean(whole)) or 1.0
    _heat(figure, below, rows, whole / np.float32(usual), "magma", "evidence, 1 = mean")
    below.set_title(f"what the {network} looks at: global Grad-CAM map")
    below.set_xlabel(f"row, of {rows.table.step_s:g} s")
    for axes in (above, below):
        axes.set_ylabel("frequency, MHz")
        axes.ticklabel_format(axis="y", useOffset=False)
        for row in {question.train.start, question.train.stop, question.test.start}:
            axes.axvline(row, color="white", linewidth=1, linestyle="--")
    caption = (
        "Above the recording, below the global Grad-CAM map I(t, f) of the same rows: the mean, over all "
        f"windows of 24 rows that cover a row ({mapped:,} in all), of the evidence that each of its "
        "values gives for a higher mean forecast. Bright streaks from left to right are frequencies that "
        "always count; bright columns are rows that count at all frequencies, such as an event or an hour of "
        "the day. Compare with above: where the map is bright and nothing is heard, distrust it. "
        "Dashed: where the training rows begin and end, and where the test rows begin. White: no window."
    )
    arrays = {
        "map": whole,
        "hours_utc": hours_of(rows),
        "frequencies_hz": rows.table.frequencies_hz,
        "frequency_mean": np.nanmean(whole, axis=0),
    }
    return report_figure(MAP, figure, caption, arrays)


def _default_map(study: ForecastStudy) -> ReportFigure:
    look, rows = study.look_of_default, study.rows
    figure = _figure(11, 8.4)
    above, below = figure.subplots(2, 1, sharex=True)
    for axes, values, title, what in (
        (above, study.map, f"what the {study.network} looks at: global Grad-CAM map", "evidence"),
        (below, look.map, "what the default looks at: global map of its own SHAP", "size"),
    ):
        usual = float(np.nanmean(values)) or 1.0
        _heat(figure, axes, rows, values / np.float32(usual), "magma", f"{what}, 1 = mean")
        axes.set_title(title)
        axes.set_ylabel("frequency, MHz")
    below.set_xlabel(f"row, of {rows.table.step_s:g} s")
    caption = (
        f"Above the {study.network}'s map once more, below the default's, of {look.windows:,} windows: the "
        "mean size of what each value adds to or takes from its mean forecast, beside the training rows "
        "(expected gradients, by its own slopes). The default reads far more of the frequencies that it "
        "forecasts than of others; bright rows there are those whose level was unusual. Where both maps are "
        "bright, two quite different forecasters lean on the same rows and frequencies. White: no window."
    )
    arrays = {
        "map": look.map,
        "frequencies_hz": rows.table.frequencies_hz,
        "frequency_mean": look.frequencies,
        "steps": look.steps,
    }
    return report_figure(DEFAULT_MAP, figure, caption, arrays)


def _heat(figure: Figure, axes: Axes, rows: ForecastRows, values: Float32, colours: str, label: str) -> None:
    every = max(1, len(values) // _MOST_PIXELS)
    shown = _thinned(values, every)
    hz = rows.table.frequencies_hz / 1e6
    low, high = (float(np.nanpercentile(values, q)) for q in (0.5, 99.5))
    edges = np.minimum(np.arange(len(shown) + 1) * every, len(values))
    image = axes.pcolormesh(
        edges, _edges(hz), shown.T, cmap=colours, vmin=low, vmax=max(high, low + 1e-9), rasterized=True
    )
    figure.colorbar(image, ax=axes, label=label)


def _thinned(values: Float32, every: int) -> Float32:
    """Means of so many rows; NaN only where none of them is known."""
    if every == 1:
        return values
    starts = np.arange(0, len(values), every)
    known = np.isfinite(values)
    sums = np.add.reduceat(np.where(known, values, 0), starts, axis=0)
    counts = np.add.reduceat(known, starts, axis=0, dtype=np.int64)
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan).astype(np.float32)


def _top(study: ForecastStudy) -> ReportFigure:
    most = min(TOP, study.map.shape[1])
    figure = _figure(11, max(3.0, 0.24 * most + 1))
    columns = figure.subplots(1, len(MEASURES))
    tops = {name: most_important(study.importance[name], most) for name in MEASURES}
    votes = np.bincount(np.concatenate([*tops.values()]), minlength=study.map.shape[1])
    hz = study.rows.table.frequencies_hz
    for axes, (name, top) in zip(columns, tops.items(), strict=True):
        shared = votes[top] >= len(MEASURES) - 1
        places = np.arange(len(top))
        axes.barh(
            places,
            study.importance[name][top],
            color=np.where(shared, _BLUE, "#c3cad1").tolist(),
            height=0.75,
        )
        axes.set_yticks(places, [range_said(each, each, hz) for each in top.tolist()], fontsize=8)
        axes.invert_yaxis()
        axes.margins(y=0.01)
        axes.set_title(name)
        axes.tick_params(axis="x", labelsize=8)
        axes.locator_params(axis="x", nbins=4)
    columns[0].set_ylabel("the most important first")
    caption = (
        f"The {most} most important frequencies of the {study.network} by each of four measures (the third "
        "paper's figure 7, which has SHAP alone). Grad-CAM and SHAP are made of gradients, in scaled units; "
        f"permutation is by how much the RMSE rises, occlusion by how much forecasts move, both in "
        f"{study.rows.table.unit}. Dark bars are among the first {most} of three measures or more: these are "
        "what to rely on. A light bar is one measure's opinion."
    )
    arrays = {f"top_{_plain(name)}": top for name, top in tops.items()}
    arrays |= {f"importance_{_plain(name)}": study.importance[name] for name in MEASURES}
    return report_figure(TOP_FREQUENCIES, figure, caption, arrays | {"frequencies_hz": hz})


def _all(study: ForecastStudy) -> ReportFigure:
    figure = _figure(11, 9.5)
    lines = {name: study.importance[name] for name in MEASURES}
    lines[f"{DEFAULT}: {PERMUTATION}"] = study.of_default
    lines[f"{DEFAULT}: {SHAP}"] = study.look_of_default.frequencies
    mhz = study.rows.table.frequencies_hz / 1e6
    drawn = figure.subplots(len(lines), 1, sharex=True)
    for axes, (name, values) in zip(drawn, lines.items(), strict=True):
        colour = _RED if name.startswith(DEFAULT) else _BLUE
        axes.axvspan(mhz[study.columns.start], mhz[study.columns.stop - 1], color="#eef1f4", linewidth=0)
        axes.axhline(0, color="0.6", linewidth=0.6)
        axes.plot(mhz, values, color=colour, linewidth=1.2)
        top = most_important(values, min(TOP, len(values) // 3))
        top = top[values[top] > 0]
        axes.plot(mhz[top], values[top], "o", color=colour, markersize=3.5)
        axes.set_title(name, loc="left", fontsize=10)
        axes.margins(x=0.01)
    drawn[-1].set_xlabel("frequency, MHz (grey ground: forecast)")
    drawn[-1].ticklabel_format(axis="x", useOffset=False)
    caption = (
        f"The importance of every frequency: four measures of the {study.network}, and at the foot what the "
        "default forecaster loses by permutation, and what its own map says. Dots are the first "
        f"{min(TOP, study.map.shape[1] // 3)} above 0. Look for peaks that stand at the same frequency in "
        "all rows. Neighbours that say the same stand in for each other: permutation finds each of them of "
        "little importance, gradients share it out. Below 0 is chance."
    )
    arrays = {_plain(name): values for name, values in lines.items()}
    return report_figure(
        ALL_FREQUENCIES, figure, caption, arrays | {"frequencies_hz": study.rows.table.frequencies_hz}
    )


def _errors(study: ForecastStudy) -> ReportFigure:
    figure = _figure(11, 7.5)
    above, below = figure.subplots(2, 1)
    mhz = study.rows.table.frequencies_hz[study.columns] / 1e6
    arrays: dict[str, NDArray[np.float64]] = {"frequencies_hz": mhz * 1e6}
    for name, scores in study.scores.items():
        style = {
            "color": _COLOURS.get(name, _BLUE if name == study.network else None),
            "linestyle": "--" if name in study.baselines else "-",
            "linewidth": 1.0 if name in study.baselines else 2.0,
            "label": name,
        }
        above.plot(
            np.arange(1, len(scores.rmse_by_horizon) + 1), scores.rmse_by_horizon, marker="o", ms=3, **style
        )
        below.plot(mhz, scores.rmse_by_column, marker="o" if len(mhz) < 40 else None, ms=3, **style)
        arrays[f"horizon_{_plain(name)}"] = scores.rmse_by_horizon
        arrays[f"frequency_{_plain(name)}"] = scores.rmse_by_column
    unit = study.rows.table.unit
    above.set(xlabel=f"steps ahead, of {study.rows.table.step_s:g} s", ylabel=f"RMSE, {unit}")
    below.set(xlabel="frequency, MHz", ylabel=f"RMSE, {unit}")
    below.ticklabel_format(axis="x", useOffset=False)
    for axes in (above, below):
        axes.grid(alpha=0.3)
    above.legend(fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5))
    caption = (
        "How far off forecasts are on the test rows, by steps ahead and by frequency. Dashed are the simple "
        "ones that anybody would try first: where a full line runs above a dashed one, the simple one "
        "is the better advice there. Where all lines have a peak, the band itself is hard to foresee."
    )
    return report_figure(ERRORS, figure, caption, arrays)


def _time(study: ForecastStudy) -> ReportFigure:
    figure = _figure(11, 6.5)
    (attention, errors), (of_network, of_default) = figure.subplots(2, 2)
    hours, unit = np.arange(HOURS), study.rows.table.unit
    attention.bar(hours, np.nan_to_num(study.attention.share), color=_BLUE, width=0.8)
    attention.axhline(1, color="0.4", linewidth=0.8)
    attention.set(
        title=f"what the {study.network} looks at", ylabel="evidence, 1 = mean", xlabel="hour of the day, UTC"
    )
    for name, values in study.errors.items():
        errors.plot(hours, values, "o-", ms=3, color=_COLOURS.get(name, _BLUE), label=name)
    errors.set(
        title="how far forecasts for that hour are off", ylabel=f"RMSE, {unit}", xlabel="hour of the day, UTC"
    )
    errors.sharex(attention)
    errors.legend(fontsize=8)
    errors.grid(alpha=0.3)
    for axes, (name, values) in zip((of_network, of_default), study.steps.items(), strict=True):
        axes.bar(np.arange(-HISTORY_STEPS, 0), values, color=_COLOURS.get(name, _BLUE), width=0.8)
        axes.set(
            title=f"{name}: a row of the past hidden",
            ylabel=f"change, {unit}",
            xlabel="rows before the forecast",
        )
    caption = (
        f"Time. (a) The global map by hour of the day: what is heard in hours above 1 counts more for the "
        f"{study.network} than usual. (b) Errors by the hour that was forecast: high hours are those to "
        "plan with a margin. (c, d) How far forecasts move when one of the 24 rows before "
        "them is hidden (at its mean): bars at the right end only mean that the newest rows say it all; "
        "a bar farther back, that an older row tells something of its own. Gaps in (b): no forecast was for "
        "that hour."
    )
    for axes, letter in zip((attention, errors, of_network, of_default), "abcd", strict=True):
        axes.set_title(f"({letter}) {axes.get_title()}", fontsize=10)
    arrays = {"attention_by_hour": study.attention.share}
    arrays |= {f"rmse_by_hour_{_plain(name)}": values for name, values in study.errors.items()}
    arrays |= {f"step_{_plain(name)}": values for name, values in study.steps.items()}
    return report_figure(TIME, figure, caption, arrays)


def _figure(width: float, height: float) -> Figure:
    figure = Figure(figsize=(width, height), facecolor="white", layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _edges(middles: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of columns with these middles. Shape: [F] -> [F + 1]."""
    if middles.size == 1:
        return np.array([middles[0] - 0.5, middles[0] + 0.5])
    between = (middles[1:] + middles[:-1]) / 2
    return np.concatenate([[2 * middles[0] - between[0]], between, [2 * middles[-1] - between[-1]]])


def _plain(name: str) -> str:
    return "".join(letter if letter.isalnum() else "_" for letter in name.lower()).replace("__", "_")
