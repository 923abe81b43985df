"""What the forecaster in use looks at in a band's last hours: the global map, of whatever forecaster it is.

Of a network it is the third paper's: improved Grad-CAM of every window. The others have no gradients, or none
that are worth taking: of them it is how far forecasts move when something is hidden (`occlusion_map`). The
two have different units and say different things; a map is of one of them, and names it.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np

from ..models.forecast_problem import FittedForecaster
from ..models.forecast_rows import ForecastRows
from ..models.forecasters.cnn_lstm import CnnLstm
from ..models.step_table import StepTable
from ..pipeline.errors import BadInput
from ..pipeline.frames import NS_PER_S, Float32, Int64, read_only
from ..pipeline.histories import HISTORY_STEPS
from .forecast_hours import HourProfile, hours_of
from .global_map import StreamingMap, even_map
from .occlusion_map import HiddenFrom, blocks_of, hide
from .published_map import GRAD_CAM, LEAST_WINDOWS, MOST_WINDOWS, OCCLUSION

MOST_BLOCKS = 128
MOST_APART = 2880
MAPPED_AT_ONCE = 256


@dataclass(frozen=True, slots=True, eq=False)
class ForecastMap:
    """What the forecaster `model` looks at in the rows of `table` [n, F], by the one `measure`.

    `map` float32 [n, F] is I(t, f), NaN where no window tells of a row; `by_frequency` [F] and `by_step`
    [24], oldest first, are means over the windows. Grad-CAM: evidence for a higher mean forecast, scaled,
    with `by_frequency` the mean of the map. Occlusion: how far forecasts move, in the unit of the rows.
    `columns_at_once` neighbouring frequencies were hidden together; where `columns_apart`, each frequency is
    forecast from its own past alone.
    """

    model: str
    measure: str
    table: StepTable
    map: Float32
    by_frequency: Float32
    by_step: Float32
    hours: HourProfile
    windows: int
    columns_at_once: int = 1
    columns_apart: bool = False

    @property
    def span_seconds(self) -> float:
        """From the begin of the first row to the end of the last."""
        ends_ns = self.table.end_ns
        return float(ends_ns[-1] - ends_ns[0]) / NS_PER_S + self.table.step_s


def occlusion_of(
    forecaster: FittedForecaster,
    table: StepTable,
    hours: float,
    *,
    columns_apart: bool = False,
    most_windows: int = MOST_WINDOWS,
) -> ForecastMap | None:
    """Of the rows of the last `hours`; older ones of the table are what the forecaster reads beside them.

    Of at most `most_windows` windows, drawn evenly (2,880 where columns stand apart: that is cheap), each
    with at most 128 blocks of frequencies and 24 steps hidden. What is hidden is at its mean of the mapped
    rows. None where there are fewer than 12 windows of 24 finite steps in a row.
    """
    rows = _Rows.of(table, hours)
    firsts = rows.firsts(MOST_APART if columns_apart else most_windows)
    if len(firsts) < LEAST_WINDOWS:
        return None
    values, origins = rows.grid(firsts, forecaster.needs_rows)
    recent = rows.recent
    finite = np.isfinite(recent.values)
    counts = np.maximum(finite.sum(axis=0), 1)
    fill = np.where(finite, recent.values, 0).sum(axis=0, dtype=np.float64) / counts
    asked = HiddenFrom(
        forecaster.forecasts,
        forecaster.needs_rows,
        values,
        origins,
        fill.astype(np.float32),
        columns_apart,
    )
    found = hide(asked, MOST_BLOCKS)
    return _map(
        forecaster.name,
        OCCLUSION,
        recent,
        even_map(found.maps, firsts - rows.start, len(recent.values)),
        found.columns.mean(axis=0, dtype=np.float64).astype(np.float32),
        found.steps.mean(axis=0, dtype=np.float64).astype(np.float32),
        windows=len(firsts),
        columns_at_once=1 if columns_apart else _size(blocks_of(values.shape[1], MOST_BLOCKS)[0]),
        columns_apart=columns_apart,
    )


def grad_cam_of(network: CnnLstm, table: StepTable, hours: float) -> ForecastMap | None:
    """As `occlusion_of`, of every window of a bundle's network. BadInput where the rows are not its own."""
    import torch

    from ..models.forecasters.cnn_lstm_network import CnnLstmNetwork
    from ..models.forecasters.network_config import NetworkConfig
    from .grad_cam import GradCam

    network.check(table.frequencies_hz, table.step_s, table.unit)
    rows = _Rows.of(table, hours)
    firsts = rows.firsts(len(table.values))
    if len(firsts) < LEAST_WINDOWS:
        return None
    count = table.values.shape[1]
    module = CnnLstmNetwork(NetworkConfig(count, count))
    module.load_state_dict({name: torch.from_numpy(np.array(each)) for name, each in network.weights.items()})
    cam = GradCam(module.eval())
    recent = rows.recent
    whole = StreamingMap(count, len(recent.values))
    steps = np.zeros(HISTORY_STEPS)
    scaled = ((table.values - network.mean_db) / network.scale_db).astype(np.float32)
    for start in range(0, len(firsts), MAPPED_AT_ONCE):
        some = firsts[start : start + MAPPED_AT_ONCE]
        maps = cam.attribute(scaled[some[:, np.newaxis] + np.arange(HISTORY_STEPS)])
        steps += maps.sum(axis=(0, 2), dtype=np.float64)
        for window, first in zip(maps, some - rows.start, strict=True):
            whole.add(window, int(first))
    end = whole.end
    found = np.full(recent.values.shape, np.nan, np.float32)
    found[:end] = whole.values[len(found) - end :]
    by_frequency = found[np.isfinite(found).any(axis=1)].mean(axis=0)
    by_step = (steps / len(firsts)).astype(np.float32)
    return _map(network.name, GRAD_CAM, recent, found, by_frequency, by_step, windows=len(firsts))


@dataclass(frozen=True, slots=True, eq=False)
class _Rows:
    """A table whose rows from `start` on are mapped."""

    table: StepTable
    start: int

    @classmethod
    def of(cls, table: StepTable, hours: float) -> _Rows:
        begin_ns = int(table.end_ns[-1]) - round(hours * 3600 * NS_PER_S)
        return cls(table, int(np.searchsorted(table.end_ns, begin_ns, side="right")))

    @property
    def recent(self) -> StepTable:
        """The mapped rows."""
        return dataclasses.replace(
            self.table,
            values=read_only(self.table.values[self.start :].copy()),
            end_ns=read_only(self.table.end_ns[self.start :].copy()),
            breaks=tuple(row - self.start for row in self.table.breaks if row > self.start),
            changes=tuple(row - self.start for row in self.table.changes if row > self.start),
        )

    @property
    def _numbered(self) -> ForecastRows:
        return ForecastRows.of_steps(self.table)

    def firsts(self, most: int) -> Int64:
        """At which rows windows of 24 begin that follow one another and are finite, drawn evenly."""
        firsts = self._numbered.unbroken(HISTORY_STEPS, 0) - HISTORY_STEPS
        finite = np.concatenate([[0], np.cumsum(np.isfinite(self.table.values).all(axis=1))])
        whole = finite[firsts + HISTORY_STEPS] - finite[firsts] == HISTORY_STEPS
        firsts = firsts[whole & (firsts >= self.start)]
        drawn = np.linspace(0, len(firsts) - 1, min(len(firsts), most)).round().astype(np.int64)
        return firsts[drawn]

    def grid(self, firsts: Int64, needs_rows: int) -> tuple[Float32, Int64]:
        """All rows on a regular grid, missing ones NaN, and in it the origins of the windows that begin so.

        Stretches that mean different things stand so far apart that nobody reads from one in the other.
        """
        parts: list[Float32] = []
        origins: list[Int64] = []
        end = 0
        for stretch in self._numbered.grid():
            last = firsts + HISTORY_STEPS - 1
            inside = last[np.isin(last, stretch.number)]
            origins.append(end + stretch.place[np.searchsorted(stretch.number, inside)] + 1)
            parts += [
                stretch.values,
                np.full((needs_rows, stretch.values.shape[1]), np.nan, np.float32),
            ]
            end += len(stretch.values) + needs_rows
        return np.concatenate(parts), np.concatenate(origins)


def _map(
    model: str,
    measure: str,
    recent: StepTable,
    whole: Float32,
    by_frequency: Float32,
    by_step: Float32,
    *,
    windows: int,
    columns_at_once: int = 1,
    columns_apart: bool = False,
) -> ForecastMap:
    for name, values in (("frequency", by_frequency), ("step", by_step)):
        if not np.isfinite(values).all():
            raise BadInput(f"{recent.node}/{recent.band}: {model} forecasts what is not finite, by {name}")
    count = len(recent.values)
    known = np.isfinite(whole).any(axis=1)
    by_row = np.full(count, np.nan, np.float32)
    by_row[known] = whole[known].mean(axis=1, dtype=np.float64)
    hours = HourProfile.of(by_row, hours_of(ForecastRows.of_steps(recent)))
    return ForecastMap(
        model, measure, recent, whole, by_frequency, by_step, hours, windows, columns_at_once, columns_apart
    )


def _size(block: slice) -> int:
    return block.stop - block.start
