"""A forecast map as a picture: what was heard, what of it counts, and both sides of the map by themselves."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter, date2num
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ..pipeline.frames import NS_PER_S, Float32
from ..pipeline.histories import HISTORY_STEPS
from .live_forecast_map import ForecastMap
from .live_forecast_words import MapWords
from .published_map import GRAD_CAM

MOST_PIXELS = 600
_BLUE, _GREY = "#1f5fa8", "0.8"
_LIMITS = (0.5, 99.5)
_NARROWEST_DB = 3.0


def draw_forecast_map(found: ForecastMap, words: MapWords) -> Figure:
    """The recording over its map, time (UTC) from left to right, MHz upward; grey where nothing is known."""
    figure = Figure(figsize=(12, 7.6), facecolor="white", layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(_title(found), fontsize=12, x=0.01, ha="left", fontweight="bold")
    panels = figure.subplots(2, 2, width_ratios=(5, 1.4), squeeze=False)
    (heard, back), (mapped, importance) = panels
    unit = found.table.unit
    low, high = _limits(found.table.values)
    missing = max(0.0, _NARROWEST_DB - (high - low)) / 2
    edges_ns, pixel = _time_pixels(found, 1)
    _heat(figure, heard, found, _means(found.table.values, pixel, len(edges_ns) - 1), edges_ns, "viridis",
          (low - missing, high + missing), unit)  # fmt: skip
    heard.set_title("what was heard", loc="left", fontsize=10)
    edges_ns, pixel = _time_pixels(found, _rows_a_window(found))
    counted = _means(found.map, pixel, len(edges_ns) - 1)
    usual = float(np.nanmean(found.map)) if np.isfinite(found.map).any() else 0.0
    label = f"{'evidence' if found.measure == GRAD_CAM else 'forecasts move'}, 1 = mean"
    relative = (counted / (usual if usual > 0 else 1.0)).astype(np.float32)
    _, most = _limits(relative)
    _heat(figure, mapped, found, relative, edges_ns, "magma", (0.0, max(most, 1.0)), label)
    how = "Grad-CAM" if found.measure == GRAD_CAM else "occlusion"
    mapped.set_title(
        f"what the {found.model} looks at: global map by {how}, {found.windows:,} windows",
        loc="left",
        fontsize=10,
    )
    heard.sharex(mapped)
    heard.tick_params(labelbottom=False)
    _by_step(back, found)
    _by_frequency(importance, found, words)
    return figure


def _title(found: ForecastMap) -> str:
    ends_ns = found.table.end_ns
    first, last = (_instant(int(each)) for each in (ends_ns[0] - found.table.step_s * NS_PER_S, ends_ns[-1]))
    same_day = first.date() == last.date()
    until = f"{last:%H:%M:%S}" if same_day else f"{last:%Y-%m-%d %H:%M:%S}"
    return f"{found.table.node} / {found.table.band}   {first:%Y-%m-%d %H:%M:%S} to {until} UTC"


def _by_step(axes: Axes, found: ForecastMap) -> None:
    whole = float(found.by_step.sum())
    axes.bar(np.arange(-HISTORY_STEPS, 0), found.by_step / (whole or 1) * 100, color=_BLUE, width=0.8)
    axes.set_title("rows of the past", loc="left", fontsize=10)
    axes.set(xlabel="rows before the forecast", ylabel="% of what all count")


def _by_frequency(axes: Axes, found: ForecastMap, words: MapWords) -> None:
    hz = found.table.frequencies_hz
    whole = float(found.by_frequency.sum())
    edges = _edges(hz) / 1e6
    axes.stairs(
        found.by_frequency / (whole or 1) * 100, edges, orientation="horizontal", color=_BLUE, fill=True
    )
    axes.set_ylim(edges.min(), edges.max())
    axes.ticklabel_format(axis="y", useOffset=False, style="plain")
    most = f"most: {words.ranges[0].said}" if words.ranges else "frequencies"
    axes.set_title(most, loc="left", fontsize=8.5)
    axes.set(xlabel="% of what all count")


def _heat(
    figure: Figure,
    axes: Axes,
    found: ForecastMap,
    values: Float32,
    edges_ns: NDArray[np.int64],
    colours: str,
    limits: tuple[float, float],
    label: str,
) -> None:
    axes.set_facecolor(_GREY)
    image = axes.pcolormesh(
        np.array([date2num(_instant(int(each))) for each in edges_ns]),
        _edges(found.table.frequencies_hz) / 1e6,
        np.ma.masked_invalid(values.T),
        cmap=colours,
        vmin=limits[0],
        vmax=limits[1],
        rasterized=True,
    )
    figure.colorbar(image, ax=axes, label=label, extend="both", pad=0.01)
    locator = AutoDateLocator(tz=UTC, minticks=4, maxticks=10)
    formatter = ConciseDateFormatter(locator, tz=UTC, show_offset=False)
    formatter.formats = ["%Y", "%Y-%m", "%m-%d", "%H:%M", "%H:%M", "%H:%M:%S"]
    formatter.zero_formats = ["%Y", "%Y-%m", "%m-%d", "%m-%d", "%H:%M", "%H:%M"]
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(formatter)
    axes.ticklabel_format(axis="y", useOffset=False, style="plain")
    axes.set_ylabel("MHz")
    if label != found.table.unit:
        axes.set_xlabel("time, UTC")


def _time_pixels(found: ForecastMap, least_rows: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Edges of at most 600 equal stretches of time, of so many steps or more; in which each row is."""
    ends_ns = found.table.end_ns
    step_ns = round(found.table.step_s * NS_PER_S)
    begin_ns = int(ends_ns[0]) - step_ns
    steps = max(1, round((int(ends_ns[-1]) - begin_ns) / step_ns))
    every = max(1, -(-steps // MOST_PIXELS), least_rows)
    pixels = -(-steps // every)
    edges_ns = begin_ns + np.arange(pixels + 1, dtype=np.int64) * every * step_ns
    middle_ns = ends_ns - step_ns // 2
    pixel = np.clip((middle_ns - begin_ns) // (every * step_ns), 0, pixels - 1)
    return edges_ns, pixel.astype(np.int64)


def _rows_a_window(found: ForecastMap) -> int:
    """How far windows are apart, where they leave rows between them; 1 where they cover all."""
    apart = len(found.map) // found.windows
    return apart if apart >= HISTORY_STEPS else 1


def _means(values: Float32, pixel: NDArray[np.int64], pixels: int) -> Float32:
    """Of the known rows in each pixel; NaN where there is none. Shape: [n, F] -> [pixels, F]."""
    known = np.isfinite(values)
    sums = np.zeros((pixels, values.shape[1]))
    counts = np.zeros((pixels, values.shape[1]))
    np.add.at(sums, pixel, np.where(known, values, 0))
    np.add.at(counts, pixel, known)
    return (sums / np.where(counts > 0, counts, np.nan)).astype(np.float32)


def _limits(values: Float32) -> tuple[float, float]:
    known = values[np.isfinite(values)]
    if not known.size:
        return 0.0, 1.0
    low, high = np.percentile(known, _LIMITS)
    return float(low), float(high)


def _edges(middles: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of columns with these middles. Shape: [F] -> [F + 1]."""
    if middles.size == 1:
        return np.array([middles[0] * (1 - 1e-6), middles[0] * (1 + 1e-6)])
    between = (middles[1:] + middles[:-1]) / 2
    return np.concatenate([[2 * middles[0] - between[0]], between, [2 * middles[-1] - between[-1]]])


def _instant(time_ns: int) -> datetime:
    return datetime.fromtimestamp(time_ns / NS_PER_S, UTC)
