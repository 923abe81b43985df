"""A waterfall as a PNG file: frequency across, time downward, level as colour."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter, date2num
from matplotlib.figure import Figure

from ..pipeline.errors import BadInput
from ..pipeline.frames import NS_PER_S
from ..pipeline.recording import Recording
from ..pipeline.waterfall import Waterfall

# The picture's place in the figure, in pixels: what `Waterfall` gathers is drawn one to one.
PICTURE_WIDTH = 1500
PICTURE_HEIGHT = 1000
_LEFT, _RIGHT, _BOTTOM, _TOP = 190, 230, 110, 120
_DOTS_PER_INCH = 150
_LOW_PERCENTILE, _HIGH_PERCENTILE = 1.0, 99.7
_NARROWEST_DB = 6.0
BRIEF_NS = 5 * NS_PER_S  # times of day would be as long as they are alike


def empty_waterfall(recording: Recording) -> Waterfall:
    """The waterfall to add a recording's rows to, as large as the figure shows."""
    return Waterfall(
        recording.start_ns,
        recording.end_ns,
        recording.step_ns,
        recording.bins,
        most_rows=PICTURE_HEIGHT,
        most_columns=PICTURE_WIDTH,
    )


def draw_waterfall(recording: Recording, waterfall: Waterfall, png: Path) -> None:
    """Write the picture, coloured from the 1st to the 99.7th percentile; `BadInput` if that fails."""
    power_db = waterfall.finish()
    low_db, high_db = _limits(power_db)
    width, height = _LEFT + PICTURE_WIDTH + _RIGHT, _BOTTOM + PICTURE_HEIGHT + _TOP
    figure = Figure(figsize=(width / _DOTS_PER_INCH, height / _DOTS_PER_INCH), dpi=_DOTS_PER_INCH)
    FigureCanvasAgg(figure)
    axes = figure.add_axes((_LEFT / width, _BOTTOM / height, PICTURE_WIDTH / width, PICTURE_HEIGHT / height))
    brief = waterfall.end_ns - waterfall.start_ns < BRIEF_NS
    colours = mpl.colormaps["viridis"].with_extremes(bad="0.75")
    half_bin_hz = recording.bin_hz / 2
    last_hz = recording.first_hz + (recording.bins - 1) * recording.bin_hz
    image = axes.imshow(
        np.ma.masked_invalid(power_db),
        cmap=colours,
        vmin=low_db,
        vmax=high_db,
        aspect="auto",
        interpolation="nearest",
        extent=(
            (recording.first_hz - half_bin_hz) / 1e6,
            (last_hz + half_bin_hz) / 1e6,
            *(_times(waterfall) if brief else (_date(waterfall.end_ns), _date(waterfall.start_ns))),
        ),
    )
    begun = f"{_instant(waterfall.start_ns):%Y-%m-%d %H:%M:%S}"
    if brief:
        axes.set_ylabel(f"time, ms after {begun} UTC")
    else:
        locator = AutoDateLocator(tz=UTC, minticks=5, maxticks=12)
        axes.yaxis.set_major_locator(locator)
        axes.yaxis.set_major_formatter(_date_formatter(locator))
        axes.set_ylabel(f"time, UTC, from {begun}")
    axes.set_xlabel("frequency, MHz")
    axes.ticklabel_format(axis="x", useOffset=False, style="plain")
    title = f"{recording.node} / {recording.band}"
    figure.text(_LEFT / width, 1 - 55 / height, title, fontsize=13, fontweight="bold")
    caption = _caption(recording, waterfall, power_db)
    figure.text(_LEFT / width, 1 - (_TOP - 25) / height, caption, fontsize=9)
    bar_axes = figure.add_axes(
        ((_LEFT + PICTURE_WIDTH + 40) / width, _BOTTOM / height, 35 / width, PICTURE_HEIGHT / height)
    )
    figure.colorbar(image, cax=bar_axes, extend="both", label=f"level, {recording.unit}")
    try:
        figure.savefig(png, format="png")
    except OSError as error:
        raise BadInput(f"--png {png}: cannot be written: {error.strerror}") from None


def _limits(power_db: np.ndarray) -> tuple[float, float]:
    finite = power_db[np.isfinite(power_db)]
    low_db, high_db = np.percentile(finite, [_LOW_PERCENTILE, _HIGH_PERCENTILE])
    # A band of constant level would show its last digit's noise in full colour.
    missing_db = max(0.0, _NARROWEST_DB - (high_db - low_db)) / 2
    return float(low_db - missing_db), float(high_db + missing_db)


def _caption(recording: Recording, waterfall: Waterfall, power_db: np.ndarray) -> str:
    words = [recording.path.name, f"{recording.rows:,} rows of {recording.bins:,} bins"]
    rows, bins = waterfall.rows_a_pixel, waterfall.bins_a_pixel
    if rows > 1 or bins > 1:
        crowd = [f"{rows:.3g} rows"] * (rows > 1) + [f"{bins:.3g} bins"] * (bins > 1)
        words.append(f"each pixel the highest of about {' by '.join(crowd)}")
    if not np.isfinite(power_db).all():
        words.append("grey: no values")
    return " · ".join(words)


def _date_formatter(locator: AutoDateLocator) -> ConciseDateFormatter:
    # Every tick can be read alone: matplotlib's own choice writes seconds as `05` and days as `29`.
    formatter = ConciseDateFormatter(locator, tz=UTC, show_offset=False)
    formatter.formats = ["%Y", "%Y-%m", "%m-%d", "%H:%M", "%H:%M", "%H:%M:%S.%f"]
    formatter.zero_formats = ["%Y", "%Y-%m", "%m-%d", "%m-%d", "%H:%M", "%H:%M:%S"]
    return formatter


def _times(waterfall: Waterfall) -> tuple[float, float]:
    """The end and the start in milliseconds after the whole second before the start."""
    second_ns = waterfall.start_ns // NS_PER_S * NS_PER_S
    return (waterfall.end_ns - second_ns) / 1e6, (waterfall.start_ns - second_ns) / 1e6


def _date(time_ns: int) -> float:
    return float(date2num(_instant(time_ns)))


def _instant(time_ns: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=time_ns // 1000)
