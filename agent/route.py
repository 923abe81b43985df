"""The route of one band: from what arrives to what is known of it."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter

import numpy as np

from ..models.activity import BandModel, Geometry
from ..models.band_fitting import BandFitter
from ..models.bundle import Bundle
from ..models.contest import Contest
from ..models.forecasters.forecaster import Forecaster
from ..models.forecasters.nlinear import NLinear
from ..models.forecasters.repeat_last import RepeatLast
from ..pipeline.continuity import Continuity
from ..pipeline.errors import BadInput
from ..pipeline.frames import Assignment, Forecast, Gap, PsdFrame, Step, Window
from ..pipeline.histories import Histories
from ..pipeline.masks import Mask
from ..pipeline.noise_floor import NoiseFloor
from ..pipeline.steps import Steps
from ..pipeline.windows import WINDOW_BINS, Windower, segment_starts
from ..pipeline.wire import Heartbeat
from .outputs import Discarded, Fitted, Output, Unfitted
from .verdict import Judge

Timed = Callable[[str, float], None]
Told = Callable[[str], None]


class BandRoute:
    """Rows, heartbeats and gaps of one band in; everything that is known of it out, in order.

    The answer depends on the rows alone: not on how they came, in what pieces or how fast. One inference
    batch is the segments of one moment. `timed(stage, seconds)` hears how long the learned stages take;
    `told(message)` hears what a person should know.
    """

    def __init__(
        self,
        node: str,
        band: str,
        bundle: Bundle,
        *,
        continuity: Continuity,
        mask: Mask,
        windower: Windower,
        steps: Steps,
        histories: Histories,
        warm_up_windows: int,
        seed: int,
        timed: Timed,
        told: Told,
    ) -> None:
        self.node = node
        self.band = band
        self._bundle = bundle
        self._continuity = continuity
        self._mask = mask
        self._noise_floor = NoiseFloor()
        self._windower = windower
        self._steps = steps
        self._histories = histories
        self._warm_up_windows = warm_up_windows
        self._seed = seed
        self._timed = timed
        self._told = told
        self._axis: tuple[float, float, int, str] | None = None
        self._geometry: Geometry | None = None
        self._model: BandModel | None = None
        self._fitter: BandFitter | None = None
        self._judge = Judge(node, band, [])
        self._contest = Contest(node, band, [])
        self._refused: set[str] = set()

    @property
    def warm(self) -> bool:
        """Whether windows are given labels; a band too narrow for windows has nothing to wait for."""
        return self._model is not None or (self._geometry is not None and not self._geometry.segments)

    @property
    def warming(self) -> tuple[int, int]:
        """Windows heard so far, and how many the first fit of the band's model needs."""
        heard = self._fitter.windows if self._fitter is not None else 0
        return min(heard, self._warm_up_windows), self._warm_up_windows

    def push(self, item: PsdFrame | Heartbeat | Gap) -> list[Output]:
        outputs: list[Output] = []
        pieces = self._continuity.gap(item) if isinstance(item, Gap) else self._continuity.push(item)
        for piece in pieces:
            outputs += self._gap(piece) if isinstance(piece, Gap) else self._row(piece)
        return outputs

    def _gap(self, gap: Gap) -> list[Output]:
        outputs: list[Output] = [gap]
        segments = self._geometry.segments if self._geometry is not None else 0
        if self._windower.rows_held and segments:
            outputs.append(Discarded(gap.node, gap.band, gap.reason, segments, gap.time_ns))
        for stage in (self._mask, self._noise_floor, self._windower, self._steps, self._histories):
            stage.gap(gap)
        self._contest.gap(gap)
        self._judge.gap(gap)
        return outputs

    def _row(self, frame: PsdFrame) -> list[Output]:
        outputs: list[Output] = []
        axis = (frame.center_hz, frame.bin_hz, frame.bins, frame.unit)
        if axis != self._axis:
            self._axis = axis
            outputs += self._take_axis(frame)
        for masked in self._mask.push(frame):
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
        starts = segment_starts(frame.bins)
        last = min(frame.bins, WINDOW_BINS) - 1
        segments_hz = [
            (frame.first_hz + first * frame.bin_hz, frame.first_hz + (first + last) * frame.bin_hz)
            for first in starts.tolist()
        ]
        self._judge = Judge(self.node, self.band, segments_hz)
        geometry = Geometry(
            node=self.node,
            band=self.band,
            unit=frame.unit,
            bins=frame.bins,
            first_hz=frame.first_hz,
            bin_hz=frame.bin_hz,
            segments=len(starts),
        )
        if self._geometry is not None and self._geometry.same_measure(geometry):
            return []
        self._geometry = geometry
        self._contest = Contest(self.node, self.band, self._forecasters(geometry.unit))
        was_fitted = self._model is not None
        self._model = self._shipped_model(geometry)
        if self._model is not None:
            self._fitter = None
            return [Fitted(self.node, self.band, 0, self._model.cluster_count, self._model.name)]
        self._fitter = BandFitter(
            geometry,
            first_windows=self._warm_up_windows,
            seed=self._seed,
            stride_rows=self._windower.stride_rows,
        )
        return [Unfitted(self.node, self.band)] if was_fitted else []

    def _shipped_model(self, geometry: Geometry) -> BandModel | None:
        """The bundle's model of this band, unless it was fitted on something else: then that is said."""
        try:
            model = self._bundle.band_model(self.node, self.band)
            if model is not None:
                model.check(geometry)
        except BadInput as refusal:
            self._told(f"{refusal}; until then the band warms up a model of its own")
            return None
        return model

    def _forecasters(self, unit: str) -> list[Forecaster]:
        forecasters: list[Forecaster] = [RepeatLast(), NLinear()]
        try:
            network = self._bundle.cnn_lstm(self.node, self.band)
            if network is None:
                return forecasters
            network.check(network.frequencies_hz, network.step_s, unit)
        except BadInput as refusal:
            self._told(f"{self.node}/{self.band}: {refusal}; it takes no part")
            return forecasters
        return [*forecasters, network]

    def _label(self, windows: list[Window]) -> list[Output]:
        started = perf_counter()
        features = self._bundle.embed(np.stack([window.values for window in windows]))
        embedded = perf_counter()
        self._timed("embed", embedded - started)
        outputs: list[Output] = []
        if self._fitter is not None:
            fitted = self._fitter.push(features)
            if fitted is not None:
                self._model = fitted
                self._timed("fit", perf_counter() - embedded)
                outputs.append(
                    Fitted(self.node, self.band, fitted.windows, fitted.cluster_count, fitted.name)
                )
        for assignment in self._assignments(windows, features):
            outputs.append(assignment)
            outputs += self._judge.assigned(assignment)
        self._timed("assign", perf_counter() - embedded)
        return outputs

    def _assignments(self, windows: list[Window], features: np.ndarray) -> list[Assignment]:
        model = self._model
        if model is None:
            labels = [(None, None, None)] * len(windows)
        else:
            clusters, distances, novelties = model.assign(features)
            labels = list(zip(clusters.tolist(), distances.tolist(), novelties.tolist(), strict=True))
        return [
            Assignment(
                node=window.node,
                band=window.band,
                segment=window.segment,
                start_ns=window.start_ns,
                end_ns=window.end_ns,
                cluster=cluster,
                distance=distance,
                novelty=novelty,
                model=model.name if model is not None else self._bundle.name,
            )
            for window, (cluster, distance, novelty) in zip(windows, labels, strict=True)
        ]

    def _forecast(self, step: Step) -> list[Output]:
        started = perf_counter()
        outputs: list[Output] = [*self._judge.step(step), *self._contest.push(step)]
        for history in self._histories.push(step):
            for output in self._contest.push(history):
                outputs.append(output)
                if isinstance(output, Forecast):
                    self._judge.forecast(output)
        for name, reason in self._contest.refused.items():
            if name not in self._refused:
                self._refused.add(name)
                self._told(f"{self.node}/{self.band}: {reason}; it takes no part")
        self._timed("forecast", perf_counter() - started)
        return outputs
