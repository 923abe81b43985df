"""The route of one band: from what arrives to what is known of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from time import perf_counter
from typing import cast

import numpy as np

from ..models.activity import Geometry
from ..models.departure import Departure
from ..models.forecast_fit import Fit
from ..pipeline.continuity import Continuity
from ..pipeline.errors import BadInput
from ..pipeline.frames import Assignment, Gap, PowerUnit, PsdFrame, Step, Window
from ..pipeline.histories import Histories
from ..pipeline.masks import Mask
from ..pipeline.noise_floor import OCCUPIED_ABOVE_FLOOR_DB, NoiseFloor
from ..pipeline.state import State
from ..pipeline.steps import Steps
from ..pipeline.windows import WINDOW_BINS, Windower, segment_starts
from ..pipeline.wire import Heartbeat
from .fits import Fits
from .forecaster_in_use import ForecasterInUse
from .forecasting import Forecasting
from .labels import Labels
from .outputs import Discarded, Output
from .verdict import Judge

Seen = Callable[[Labels, Sequence[Window], Sequence[Assignment]], None]


class BandRoute:
    """Rows, heartbeats and gaps of one band in; everything that is known of it out, in order.

    The answer depends on the rows alone: not on how they came, in what pieces or how fast. One inference
    batch is the segments of one moment. `hear` finds the gaps between what arrives, `take` sends a row or
    gap on from there; a row or gap that was once heard is taken again by `resume` after a restart.
    """

    def __init__(
        self,
        labels: Labels,
        *,
        continuity: Continuity,
        mask: Mask,
        windower: Windower,
        steps: Steps,
        histories: Histories,
        fits: Fits | None = None,
        idle_margin_db: float = OCCUPIED_ABOVE_FLOOR_DB,
    ) -> None:
        self.node = labels.node
        self.band = labels.band
        self.labels = labels
        self.continuity = continuity
        self.mask = mask
        self._noise_floor = NoiseFloor()
        self._windower = windower
        self._steps = steps
        self._forecasting = Forecasting(labels, histories, fits)
        self._idle_margin_db = idle_margin_db
        self._axis: tuple[float, float, int, PowerUnit] | None = None
        self._judge = Judge(self.node, self.band, [])
        self._last_was_gap = False
        self.seen: Seen | None = None
        """Hears of each moment's windows and the labels they were given."""

    @property
    def stride_rows(self) -> int:
        """Rows between windows at present."""
        return self._windower.stride_rows

    @stride_rows.setter
    def stride_rows(self, rows: int) -> None:
        self._windower.stride_rows = rows

    def use_mask(self, mask: Mask) -> None:
        """Another mask from the next row on; BadInput, and the old one stays, where it leaves no bin."""
        if self._axis is not None:
            center_hz, bin_hz, bins, unit = self._axis
            level = np.zeros(bins, np.float32)
            mask.push(PsdFrame(self.node, self.band, 0, 0, 0, 1, center_hz, bin_hz, level, unit))
        self.mask = mask

    def use_labels(self, labels: Labels) -> None:
        """Labels and forecasters of another bundle; verdicts start anew, what was scored stays."""
        self.labels = labels
        if self._axis is not None:
            self._judge = Judge(self.node, self.band, _segments_hz(*self._axis[:3]))
        self._forecasting.use_labels(labels)

    @property
    def fit(self) -> Fit | None:
        """The default forecaster in use, if there is one."""
        return self._forecasting.fit

    @property
    def forecast_made_ns(self) -> int | None:
        """When the newest forecast was made; None before there is one."""
        newest = self._forecasting.newest
        return None if newest is None else newest.made_ns

    @property
    def forecaster_in_use(self) -> ForecasterInUse | None:
        """What the newest forecast is by; None without one."""
        return self._forecasting.in_use

    def use_fit(self, key: str) -> None:
        """Forecast by this fit from the next step on; BadInput where it cannot be used."""
        self._forecasting.use_fit(key)

    def push(self, item: PsdFrame | Heartbeat | Gap) -> list[Output]:
        """Hear an item and take what becomes of it."""
        return [output for piece in self.hear(item) for output in self.take(piece)]

    def hear(self, item: PsdFrame | Heartbeat | Gap) -> list[PsdFrame | Gap]:
        """The row, if it is one, and the gap before it, or the gap that an item tells of."""
        return self.continuity.gap(item) if isinstance(item, Gap) else self.continuity.push(item)

    def take(self, piece: PsdFrame | Gap) -> list[Output]:
        """Send a row or gap that `hear` gave down the route."""
        return self._gap(piece) if isinstance(piece, Gap) else self._row(piece)

    def resume(self, piece: PsdFrame | Gap) -> list[Output]:
        """As `take`, for what was heard before a restart; what is missing without a gap is one."""
        outputs: list[Output] = []
        if isinstance(piece, PsdFrame):
            stream, last_seq, _, _, excused_rows, _, dated_ns = self.continuity.place
            if dated_ns is not None and not self._last_was_gap:
                missing = piece.seq - last_seq - 1
                if piece.stream != stream:
                    outputs += self._gap(
                        Gap(self.node, self.band, last_seq, None, None, "restart", piece.time_ns)
                    )
                elif missing > excused_rows:
                    outputs += self._gap(
                        Gap(self.node, self.band, last_seq, missing, None, "lost", piece.time_ns)
                    )
            self.continuity.resume(piece)
        self._last_was_gap = isinstance(piece, Gap)
        return outputs + self.take(piece)

    def standing(self) -> list[Output]:
        """What holds at present, for those who were not there when it came about."""
        outputs: list[Output] = [*self._judge.standing()]
        if self.labels.drift is not None:
            outputs.insert(0, self.labels.drift)
        if self.labels.fitted is not None:
            outputs.insert(0, self.labels.fitted)
        if self._forecasting.newest is not None:
            outputs.append(self._forecasting.newest)
        return outputs

    def state(self) -> State:
        """Everything that a later answer rests on; what the bundle taught is under `labels`."""
        geometry = self.labels.geometry
        return {
            "continuity": self.continuity.state(),
            "axis": None if self._axis is None else list(self._axis),
            "geometry": None if geometry is None else asdict(geometry),
            "noise_floor": self._noise_floor.state(),
            "stride_rows": self.stride_rows,
            "windower": self._windower.state(),
            "steps": self._steps.state(),
            **self._forecasting.state(),
            "judge": self._judge.state(),
            "labels": self.labels.state(),
        }

    def restore(self, state: State, *, with_labels: bool) -> None:
        """Be as the route was that gave `state`; without labels those of another bundle are left out.

        For a new route. `BadInput` where the state does not fit: the route is of no use then.
        """
        try:
            self.continuity.restore(state["continuity"])
            self._noise_floor.restore(state["noise_floor"])
            self.stride_rows = state["stride_rows"]
            self._windower.restore(state["windower"])
            self._steps.restore(state["steps"])
            geometry = None if state["geometry"] is None else Geometry(**state["geometry"])
            if state["axis"] is not None:
                center_hz, bin_hz, bins, unit = state["axis"]
                self._axis = (center_hz, bin_hz, bins, cast(PowerUnit, unit))
                self._judge = Judge(self.node, self.band, _segments_hz(center_hz, bin_hz, bins))
            self._forecasting.restore(state, geometry)
            if with_labels:
                self.labels.restore(state["labels"], geometry)
                self._judge.restore(state["judge"])
            elif geometry is not None:
                self.labels.measure(geometry)
        except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
            if isinstance(error, BadInput):
                raise
            raise BadInput(f"{self.node}/{self.band}: its state does not fit: {error!r}") from None

    def _gap(self, gap: Gap) -> list[Output]:
        outputs: list[Output] = [gap]
        geometry = self.labels.geometry
        if self._windower.rows_held and geometry is not None and geometry.segments:
            outputs.append(Discarded(gap.node, gap.band, gap.reason, geometry.segments, gap.time_ns))
        for stage in (self.mask, self._noise_floor, self._windower, self._steps):
            stage.gap(gap)
        self._forecasting.gap(gap)
        return outputs + self._judge.gap(gap)

    def _row(self, frame: PsdFrame) -> list[Output]:
        outputs: list[Output] = []
        axis = (frame.center_hz, frame.bin_hz, frame.bins, frame.unit)
        if axis != self._axis:
            self._axis = axis
            outputs += self._take_axis(frame)
        for masked in self.mask.push(frame):
            for row in self._noise_floor.push(masked):
                outputs.append(row)
                windows = self._windower.push(row)
                if windows:
                    outputs += self._label(windows)
                elif self._windower.due:
                    outputs.append(Discarded(self.node, self.band, "too_few_bins", 1, frame.end_ns))
            for step in self._steps.push(masked):
                outputs += self._forecast(step)
        return outputs

    def _take_axis(self, frame: PsdFrame) -> list[Output]:
        """Another centre, width or unit: verdicts start anew, and models where windows mean another thing."""
        self._judge = Judge(self.node, self.band, _segments_hz(frame.center_hz, frame.bin_hz, frame.bins))
        geometry = Geometry(
            node=self.node,
            band=self.band,
            unit=frame.unit,
            bins=frame.bins,
            first_hz=frame.first_hz,
            bin_hz=frame.bin_hz,
            segments=len(segment_starts(frame.bins)),
        )
        if self.labels.geometry is not None and self.labels.geometry.same_measure(geometry):
            return []
        self._forecasting.measure(geometry)
        return [*self.labels.measure(geometry)]

    def _label(self, windows: list[Window]) -> list[Output]:
        outputs: list[Output] = []
        labelled = self.labels.label(windows)
        for output in labelled:
            outputs.append(output)
            if isinstance(output, Assignment):
                outputs += self._judge.assigned(output)
        if self.seen is not None:
            self.seen(self.labels, windows, [each for each in labelled if isinstance(each, Assignment)])
        return outputs

    def _forecast(self, step: Step) -> list[Output]:
        started = perf_counter()
        outputs: list[Output] = []
        for found in self._forecasting.push(step, self._noise_floor.floor_db + self._idle_margin_db):
            outputs += self._judge.departed(found) if isinstance(found, Departure) else [found]
        self.labels.timed("forecast", perf_counter() - started)
        return outputs


def _segments_hz(center_hz: float, bin_hz: float, bins: int) -> list[tuple[float, float]]:
    """Centres of the lowest and highest bin of each segment of a band."""
    first_hz = center_hz - (bins - 1) / 2 * bin_hz
    last = min(bins, WINDOW_BINS) - 1
    return [
        (first_hz + first * bin_hz, first_hz + (first + last) * bin_hz)
        for first in segment_starts(bins).tolist()
    ]
