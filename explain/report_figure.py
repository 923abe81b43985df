"""A figure of a report as files: SVG or PNG, and the numbers it was drawn from beside it."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

_DOTS_PER_INCH = 100
_COLOURS = 256


@dataclass(frozen=True, slots=True)
class ReportFigure:
    """A figure's file `name`, `.svg` or `.png`, what to see in it, and the file of its numbers."""

    name: str
    content: bytes
    caption: str
    data_name: str
    data: bytes


def report_figure(
    name: str, figure: Figure, caption: str, arrays: Mapping[str, NDArray[Any]]
) -> ReportFigure:
    """Drawn as the suffix of `name` says, on opaque white, `arrays` as `.npz` beside it."""
    drawn, data = io.BytesIO(), io.BytesIO()
    if name.endswith(".svg"):
        # The same numbers give the same file: no date, no random names.
        with mpl.rc_context({"svg.hashsalt": name}):
            figure.savefig(drawn, format="svg", facecolor="white", metadata={"Date": None})
        content = drawn.getvalue()
    else:
        figure.savefig(drawn, format="png", facecolor="white", dpi=_DOTS_PER_INCH)
        content = _with_a_palette(drawn)
    named: dict[str, Any] = dict(arrays)
    np.savez_compressed(data, **named)
    return ReportFigure(name, content, caption, name.rsplit(".", 1)[0] + ".npz", data.getvalue())


def _with_a_palette(drawn: io.BytesIO) -> bytes:
    """Spectrograms are noise to the compressor: a palette makes a report a third as large."""
    picture = io.BytesIO()
    # Spread over all colours, so that those which are rare, as in a colour bar, do not merge.
    colours = Image.open(drawn).convert("RGB")
    colours.quantize(_COLOURS, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE).save(picture, "png")
    return picture.getvalue()


def plain(value: Any) -> Any:
    """For JSON: what is not a number is None; floats have six figures."""
    if isinstance(value, dict):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, float | np.floating):
        return float(f"{value:.6g}") if math.isfinite(value) else None
    return value.item() if isinstance(value, np.generic) else value
