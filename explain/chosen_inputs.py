"""What forecasters that choose their inputs chose, for a report: in words, as a table and as a figure."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from .amounts import percent
from .forecast_study import ForecastStudy
from .importance import most_important
from .report_figure import ReportFigure, report_figure
from .selected_forecasters import SelectedForecaster

CHOSEN_FIGURE = "chosen.svg"
PLAIN = "cnn-lstm"
SAME = 0.01  # of the RMSE: less is the same
_IN, _OUT, _GONE = "#1f5fa8", "#c3cad1", "#f2c4c0"


def chosen_sentence(study: ForecastStudy, name: str, first: str) -> str:
    """What one of them was trained again on, and whether that helped; `first` names its first frequencies."""
    made = study.selected[name]
    count, parts = study.map.shape[1], len(made.importance.segments)
    retained, dropped = len(made.selection.columns), len(made.selection.dropped)
    which = (
        f"on all {count} frequencies (first of all {first})"
        if retained == count
        else f"on the {retained} of {count} frequencies that it found most important (first of all {first})"
    )
    without = f"without the {dropped} least important of {parts} parts of" if dropped else "on all of"
    how = "both numbers chosen by rolling origin inside them" if made.tried else "both numbers given"
    rmse = {each: study.scores[each].rmse for each in (name, PLAIN) if each in study.scores}
    said = f"The {name} was trained again {which}, {without} the training rows, {how}."
    if PLAIN not in rmse or not rmse[PLAIN]:
        return said
    change = rmse[name] / rmse[PLAIN] - 1
    if abs(change) <= SAME:
        return f"{said} On the test rows it is as good as the {PLAIN} of all inputs."
    better = "better" if change < 0 else "worse"
    return (
        f"{said} On the test rows it is {percent(abs(change))} {better} than the {PLAIN} of all inputs; one "
        "training of each: another seed may say otherwise."
    )


def first_columns(made: SelectedForecaster, most: int = 5) -> NDArray[np.int64]:
    """The most important columns of those retained, ascending by nothing but importance."""
    return most_important(made.importance.frequencies, min(most, len(made.selection.columns)))


def tried_rows(study: ForecastStudy) -> dict[str, tuple[str, ...]]:
    """RMSE of each pair of numbers that was tried, by forecaster; the one chosen says so."""
    pairs = sorted({pair for made in study.selected.values() for pair in made.tried}, key=_first_dropped)
    return {
        f"{retained}, {dropped}": tuple(_tried(made, (retained, dropped)) for made in study.selected.values())
        for retained, dropped in pairs
    }


def _first_dropped(pair: tuple[int, int]) -> tuple[int, int]:
    return pair[1], pair[0]


def _tried(made: SelectedForecaster, pair: tuple[int, int]) -> str:
    if pair not in made.tried:
        return ""
    return f"{made.tried[pair]:.3f}" + (" ← chosen" if pair == (made.retained, made.dropped) else "")


def chosen_record(made: SelectedForecaster) -> dict[str, object]:
    """For programs: columns and rows (of those that train, half-open) by number."""
    return {
        "retained": made.selection.columns,
        "dropped_rows": [list(rows) for rows in made.selection.dropped],
        "importance": made.importance.frequencies,
        "importance_of_parts": made.importance.segments,
        "numbers": [made.retained, made.dropped],
        "tried": [[*pair, rmse] for pair, rmse in made.tried.items()],
    }


def chosen_figure(study: ForecastStudy) -> ReportFigure:
    """A row of two pictures for each: its frequencies, and the parts of its training rows."""
    figure = Figure(figsize=(11, 0.6 + 2.5 * len(study.selected)), facecolor="white", layout="constrained")
    FigureCanvasAgg(figure)
    drawn = figure.subplots(len(study.selected), 2, squeeze=False, sharex="col")
    mhz = study.rows.table.frequencies_hz / 1e6
    arrays: dict[str, NDArray[np.generic]] = {"frequencies_hz": study.rows.table.frequencies_hz}
    for (left, right), (name, made) in zip(drawn, study.selected.items(), strict=True):
        retained = np.isin(np.arange(len(mhz)), made.selection.columns)
        parts = np.arange(1, len(made.importance.segments) + 1)
        gone = dropped_parts(study, made)
        width = float(np.abs(np.diff(mhz)).min()) if len(mhz) > 1 else 0.8
        _bars(left, mhz, made.importance.frequencies, np.where(retained, _IN, _OUT), width)
        for part in parts[gone].tolist():
            right.axvspan(part - 0.5, part + 0.5, color=_GONE, linewidth=0)
        _bars(right, parts, made.importance.segments, np.where(gone, _OUT, _IN), 0.8)
        left.set_title(f"{name}: frequencies", loc="left", fontsize=10)
        right.set_title(f"{name}: parts of the training rows", loc="left", fontsize=10)
        key = name.replace("-", "_")
        arrays |= {f"{key}_frequencies": made.importance.frequencies, f"{key}_retained": retained}
        arrays |= {f"{key}_parts": made.importance.segments, f"{key}_dropped": gone}
    drawn[-1][0].set_xlabel("frequency, MHz (dark: read)")
    drawn[-1][0].locator_params(axis="x", nbins=5)
    drawn[-1][0].ticklabel_format(axis="x", useOffset=False)
    drawn[-1][1].set_xlabel("part, oldest first (red ground: not learned from)")
    caption = (
        "What the forecasters that choose their inputs found important while they learned: each frequency, "
        "over all training rows, and each of equal parts of these rows, over all frequencies (means of the "
        "global map, 1 being that of all). Dark frequencies are what is read; rows on red ground were not "
        "learned from. Where all bars are about as high, the choice is nearly chance."
    )
    return report_figure(CHOSEN_FIGURE, figure, caption, arrays)


def dropped_parts(study: ForecastStudy, made: SelectedForecaster) -> NDArray[np.bool_]:
    """Which of the parts of the training rows were not learned from."""
    rows, parts = len(study.question.problem(study.columns).table.values), len(made.importance.segments)
    starts = np.linspace(0, rows, parts + 1).round().astype(int)[:-1]
    return np.isin(starts, [start for start, _ in made.selection.dropped])


def _bars(
    axes: Axes,
    places: NDArray[np.generic],
    values: NDArray[np.float32],
    colours: NDArray[np.str_],
    width: float,
) -> None:
    usual = float(np.nanmean(values)) or 1.0
    axes.bar(places, np.nan_to_num(values) / usual, width=width, color=colours.tolist())
    axes.margins(x=0.01)
    axes.set_ylabel("importance, 1 = mean")
