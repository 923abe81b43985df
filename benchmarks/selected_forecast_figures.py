"""The third paper's figures 7 to 11 as PNG, each with its numbers (`.npz`), of ElectroSense Madrid.

    OMP_NUM_THREADS=1 python benchmarks/selected_forecast_figures.py --out FOLDER [--columns 85:100]
        [--kept FILE.jsonl ...] [--grid FILE.jsonl] [--figures 7 8 9 10 11]

- Figure 7: the 30 frequencies of the greatest SHAP values, of all test windows of a CNN-LSTM; figure 8: its
  global map I(t, f) over the recording. For these it is trained (a minute of processor; what a killed run has
  is in FOLDER).
- Figures 9 and 10: RMSE and MAPE of the GC-CNN-LSTM by what is retained and dropped, from the lines that
  `selection_grid.py` keeps (`--grid`). As in the paper these are errors on TEST rows, shown and not used.
- Figure 11: boxes of the CNN-LSTM's and the GC-CNN-LSTM's RMSE and MAPE over seeds, by set of columns,
  from the lines that `selected_forecasts.py` keeps (`--kept`): with the paper's numbers (45 and 6), and with
  numbers chosen inside the training rows.

What is not there yet is left out and said.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from selected_forecasts import DEFAULT_DATA, PAPERS, PLAIN, RECORDING, TEST, TRAIN, Line, kept_lines

from bandwatch.explain.forecast_figures import map_figure
from bandwatch.explain.importance import most_important
from bandwatch.explain.report_figure import ReportFigure, report_figure
from bandwatch.explain.shap import ExpectedGradients, frequency_importance
from bandwatch.explain.study_windows import (
    mapped_windows,
    recording_map,
    scaled_histories,
    training_histories,
)
from bandwatch.models.forecast_problem import TrainingWatch
from bandwatch.models.forecast_question import ForecastQuestion
from bandwatch.models.forecast_rows import ForecastRows
from bandwatch.models.forecast_training import fit_network
from bandwatch.pipeline.histories import HISTORY_STEPS
from bandwatch.pipeline.replay import open_recording

TOP = 30
GRIDS = {9: ("rmse", "RMSE, dB"), 10: ("mape", "MAPE, %")}
CHOSEN = "gc-cnn-lstm"
COLOURS = {PLAIN: "#8a939c", PAPERS: "#9ec1e6", CHOSEN: "#1f5fa8"}
NAMES = {PLAIN: "CNN-LSTM", PAPERS: "GC-CNN-LSTM, 45 and 6", CHOSEN: "GC-CNN-LSTM, numbers chosen"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path(DEFAULT_DATA))
    parser.add_argument("--out", type=Path, required=True, help="a folder")
    parser.add_argument("--figures", type=int, nargs="+", default=range(7, 12), choices=range(7, 12))
    parser.add_argument("--columns", default="85:100", help="of figures 7 to 10")
    parser.add_argument("--seed", type=int, default=0, help="of figures 7 and 8")
    parser.add_argument("--epochs", type=int, default=70, help="the paper's; fewer prove only that it works")
    parser.add_argument("--kept", type=Path, nargs="+", default=[])
    parser.add_argument("--grid", type=Path)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    lines = [line for path in options.kept for line in kept_lines(path) if line["epochs"] == options.epochs]
    for number in options.figures:
        if number in (7, 8):
            figure = explained(number, options)
        elif number in GRIDS:
            figure = grid_figure(number, options, lines)
        else:
            figure = box_figure(lines)
        if figure is None:
            print(f"figure {number}: no line of it is kept")
            continue
        (options.out / figure.name).write_bytes(figure.content)
        (options.out / figure.data_name).write_bytes(figure.data)
        print(f"figure {number}: {options.out / figure.name}. {figure.caption}")


def explained(number: int, options: argparse.Namespace) -> ReportFigure:
    rows = ForecastRows.read(open_recording(options.data / RECORDING), None)
    columns = slice(*map(int, options.columns.split(":")))
    question = ForecastQuestion(rows, TRAIN, TEST, [columns])
    question.check()
    checkpoint = options.out / f"cnn-lstm-{columns.start}-{columns.stop}-{options.seed}-{options.epochs}"
    watch = TrainingWatch(checkpoint.with_suffix(".safetensors"))
    network = fit_network("cnn-lstm", question.problem(columns), options.seed, watch, epochs=options.epochs)
    if number == 8:
        firsts = mapped_windows(rows, rows.count)
        whole = recording_map(network, rows, firsts)
        return renamed(map_figure(question, network.name, whole, len(firsts)), "fig8-global-map")
    before = np.searchsorted(rows.number, question.origins)[:, np.newaxis] + np.arange(-HISTORY_STEPS, 0)
    histories = scaled_histories(network, rows.table.values[before])
    explainer = ExpectedGradients(network.network, training_histories(network, question), seed=options.seed)
    importance = frequency_importance(explainer.attribute(histories))
    top, mhz = most_important(importance, TOP), rows.table.frequencies_hz / 1e6
    forecast = np.isin(top, np.arange(columns.start, columns.stop))
    figure, (axes,) = canvas(7, 7.5, 1)
    axes.barh(np.arange(len(top)), importance[top], color=np.where(forecast, "#b3261e", "#1f5fa8").tolist())
    axes.set_yticks(np.arange(len(top)), [f"{mhz[column]:.6g} MHz" for column in top], fontsize=8)
    axes.invert_yaxis()
    axes.margins(y=0.01)
    axes.set_xlabel("mean |SHAP value| of the mean forecast, scaled units")
    axes.set_title(
        f"The {TOP} most important of {len(importance)} frequencies for {mhz[columns.start]:.6g} to "
        f"{mhz[columns.stop - 1]:.6g} MHz",
        fontsize=10,
    )
    caption = f"Of {len(histories)} test windows; red are forecast themselves."
    arrays = {"importance": importance, "top": top, "frequencies_hz": rows.table.frequencies_hz}
    return report_figure("fig7-shap-top.png", figure, caption, arrays)


def grid_figure(number: int, options: argparse.Namespace, others: Sequence[Line]) -> ReportFigure | None:
    """Means over seeds; what was not tried is white."""
    measure, label = GRIDS[number]
    asked = {"columns": options.columns, "epochs": options.epochs}.items()
    lines = [each for each in kept_lines(options.grid) if asked <= each.items()] if options.grid else []
    if not lines:
        return None
    retained, dropped = (sorted({each[what] for each in lines}) for what in ("retained", "dropped"))
    found = np.full((len(dropped), len(retained)), np.nan)
    for row, fewer in enumerate(dropped):
        for column, more in enumerate(retained):
            here = [each[measure] for each in lines if (each["retained"], each["dropped"]) == (more, fewer)]
            found[row, column] = np.mean(here) if here else np.nan
    figure, (axes,) = canvas(8.5, 0.42 * len(dropped) + 1.8, 1)
    image = axes.imshow(found, cmap="viridis", aspect="auto")
    figure.colorbar(image, ax=axes, label=label)
    best = np.unravel_index(np.nanargmin(found), found.shape)
    middle = (np.nanmin(found) + np.nanmax(found)) / 2
    for place, value in np.ndenumerate(found):
        if np.isfinite(value):
            weight = "bold" if place == best else "normal"
            ink = "white" if value < middle else "black"
            axes.text(
                *place[::-1], f"{value:.3f}", ha="center", va="center", color=ink, weight=weight, fontsize=8
            )
    axes.set_xticks(range(len(retained)), [str(each) for each in retained])
    axes.set_yticks(range(len(dropped)), [str(each) for each in dropped])
    axes.set(xlabel="frequencies retained", ylabel="parts of 48 dropped")
    seeds = sorted({each["seed"] for each in lines})
    plain = np.array([e[measure] for e in others if (e["model"], e["columns"]) == (PLAIN, options.columns)])
    beside = f"; all inputs: {plain.mean():.3f}" if len(plain) else ""
    beside += f" ± {plain.std(ddof=1):.3f} over {len(plain)} seeds" if len(plain) > 1 else ""
    axes.set_title(
        f"{measure.upper()} of the GC-CNN-LSTM on TEST rows, columns {options.columns}, mean of {len(seeds)} "
        f"seed{'s' if len(seeds) > 1 else ''}{beside}",
        fontsize=9,
    )
    caption = (
        f"{np.isfinite(found).sum()} of {found.size} pairs; best: {retained[best[1]]}, {dropped[best[0]]}. "
        "Errors on test rows as the paper shows them: nothing may be chosen by them."
    )
    arrays = {"retained": np.array(retained), "dropped": np.array(dropped), measure: found}
    return report_figure(f"fig{number}-{measure}.png", figure, caption, arrays)


def box_figure(lines: Sequence[Line]) -> ReportFigure | None:
    """A box for each of three networks on each set of columns."""
    shown = [name for name in NAMES if any(each["model"] == name for each in lines)]
    sets = list(dict.fromkeys(each["columns"] for each in lines if each["model"] in NAMES))
    if not sets:
        return None
    figure, drawn = canvas(11, 4.5, 2)
    arrays, fewest = {}, []
    for axes, (measure, label) in zip(drawn, (("rmse", "RMSE, dB"), ("mape", "MAPE, %")), strict=True):
        for place, name in enumerate(shown):
            boxes = [
                [e[measure] for e in lines if (e["model"], e["columns"]) == (name, columns)]
                for columns in sets
            ]
            fewest += [len(values) for values in boxes if values]
            arrays |= {
                f"{measure}_{name}_{columns}".replace(" ", "_").replace(",", ""): np.array(values)
                for columns, values in zip(sets, boxes, strict=True)
            }
            positions = np.arange(len(sets)) + (place - (len(shown) - 1) / 2) * 0.27
            made = axes.boxplot(
                boxes, positions=positions, widths=0.23, patch_artist=True, manage_ticks=False
            )
            for box in made["boxes"]:
                box.set(facecolor=COLOURS[name], label=NAMES[name] if box is made["boxes"][0] else None)
            for line in made["medians"]:
                line.set_color("black")
        axes.set_xticks(range(len(sets)), sets)
        axes.set_xlim(-0.6, len(sets) - 0.4)
        axes.set(xlabel="columns", ylabel=label)
        axes.grid(axis="y", alpha=0.3)
    drawn[0].legend(fontsize=8)
    caption = (
        f"Test rows; {min(fewest)} to {max(fewest)} seeds a box: quartiles, median, whiskers to what is "
        "within 1.5 boxes of them."
    )
    return report_figure("fig11-boxes.png", figure, caption, arrays)


def canvas(width: float, height: float, columns: int) -> tuple[Figure, list[Axes]]:
    figure = Figure(figsize=(width, height), facecolor="white", layout="constrained")
    FigureCanvasAgg(figure)
    return figure, list(np.ravel(figure.subplots(1, columns)))


def renamed(figure: ReportFigure, stem: str) -> ReportFigure:
    suffix = Path(figure.name).suffix
    return ReportFigure(f"{stem}{suffix}", figure.content, figure.caption, f"{stem}.npz", figure.data)


if __name__ == "__main__":
    main()
