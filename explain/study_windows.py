"""Which windows of a recording a study looks at, scaled as its network reads them, and their global map."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..models.forecast_problem import FittedForecaster
from ..models.forecast_question import ForecastQuestion
from ..models.forecast_rows import ForecastRows
from ..models.forecasters.fitted_network import FittedNetwork
from ..pipeline.frames import Float32, Int64
from ..pipeline.histories import HISTORY_STEPS
from .global_map import StreamingMap
from .grad_cam import GradCam
from .importance import Asked

BACKGROUND = 128
MAPPED_AT_ONCE = 256


@dataclass(frozen=True, slots=True, eq=False)
class AskedRows:
    """All stretches one behind the other, so far apart that nobody reads from one in the other.

    Shape: `values` [n, F], NaN between them; `origins` [m], of the test rows, drawn evenly.
    """

    values: Float32
    origins: Int64
    columns: slice

    @classmethod
    def of(cls, question: ForecastQuestion, columns: slice, windows: int, needs_rows: int) -> AskedRows:
        drawn = question.origins[evenly(len(question.origins), max(2, windows))]
        parts: list[Float32] = []
        origins: list[Int64] = []
        end = 0
        for stretch in question.rows.grid():
            inside = drawn[np.isin(drawn, stretch.number)]
            origins.append(end + stretch.place[np.searchsorted(stretch.number, inside)])
            between = np.full((needs_rows, stretch.values.shape[1]), np.nan, np.float32)
            parts += [stretch.values, between]
            end += len(stretch.values) + needs_rows
        return cls(np.concatenate(parts), np.concatenate(origins), columns)

    def asked(self, forecaster: FittedForecaster) -> Asked:
        return Asked.of(forecaster, self.values, self.origins, self.columns)


def evenly(count: int, most: int) -> Int64:
    """At most so many of 0 to `count` - 1, the first and the last among them."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(np.int64))


def mapped_windows(rows: ForecastRows, most: int) -> Int64:
    """The numbers of the rows at which whole windows begin, ascending."""
    firsts = rows.unbroken(HISTORY_STEPS, 0) - HISTORY_STEPS
    return firsts[evenly(len(firsts), most)]


def recording_map(
    network: FittedNetwork,
    rows: ForecastRows,
    firsts: Int64,
    on_windows: Callable[[int, int], None] = lambda _done, _of: None,
) -> Float32:
    """The global Grad-CAM map I(t, f) of the windows that begin at `firsts` [n], ascending.

    Shape: -> float32 [rows, F] by the rows' numbers, NaN where no window lies.
    """
    cam = GradCam(network.network)
    whole = StreamingMap(rows.table.frequencies_hz.size, rows.count)
    for start in range(0, len(firsts), MAPPED_AT_ONCE):
        some = firsts[start : start + MAPPED_AT_ONCE]
        places = np.searchsorted(rows.number, some)[:, np.newaxis] + np.arange(HISTORY_STEPS)
        for window, first in zip(
            cam.attribute(scaled_histories(network, rows.table.values[places])), some, strict=True
        ):
            whole.add(window, int(first))
        on_windows(start + len(some), len(firsts))
    end = int(firsts[-1]) + HISTORY_STEPS  # rows that no window covers may follow
    found = np.full((rows.count, rows.table.frequencies_hz.size), np.nan, np.float32)
    found[:end] = whole.values[rows.count - end :]
    return found


def scaled_histories(network: FittedNetwork, histories: Float32) -> Float32:
    """As the network reads them. Shape: [n, 24, F]."""
    return ((histories - network.mean_db) / network.scale_db).astype(np.float32)


def training_histories(network: FittedNetwork, question: ForecastQuestion) -> Float32:
    """Histories of the training, scaled: [b, 24, F]."""
    rows = question.rows
    firsts = rows.unbroken(HISTORY_STEPS, 0) - HISTORY_STEPS
    inside = firsts[(firsts >= question.train.start) & (firsts + HISTORY_STEPS <= question.train.stop)]
    drawn = inside[evenly(len(inside), BACKGROUND)]
    places = np.searchsorted(rows.number, drawn)[:, np.newaxis] + np.arange(HISTORY_STEPS)
    return scaled_histories(network, rows.table.values[places])
