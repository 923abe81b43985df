"""The learned half of a band's route: windows in, labels out, and the band's own model behind them."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter

import numpy as np

from ..models.activity import BandModel, Geometry
from ..models.band_fitting import BandFitter
from ..models.bundle import Bundle
from ..models.drift import Drift, DriftWatch
from ..pipeline.errors import BadInput
from ..pipeline.frames import Assignment, Float32, Window
from ..pipeline.state import State
from .outputs import Fitted, Unfitted

Timed = Callable[[str, float], None]
Told = Callable[[str], None]


class Labels:
    """Windows of one band get the labels of the band's model: the bundle's, or one fitted on the node.

    `stride_rows` is how far the windows are apart that a model is fitted on. `timed(stage, seconds)` hears
    how long embedding, fitting and assigning take; `told(message)` hears what a person should know.
    """

    def __init__(
        self,
        node: str,
        band: str,
        bundle: Bundle,
        *,
        warm_up_windows: int,
        seed: int,
        stride_rows: int,
        timed: Timed,
        told: Told,
    ) -> None:
        self.node = node
        self.band = band
        self.bundle = bundle
        self.geometry: Geometry | None = None
        self._warm_up_windows = warm_up_windows
        self._seed = seed
        self._stride_rows = stride_rows
        self.timed = timed
        self.told = told
        self._model: BandModel | None = None
        self._fitter: BandFitter | None = None
        self._drift = DriftWatch(node, band)

    @property
    def warm(self) -> bool:
        """Whether windows are given labels; a band too narrow for windows has nothing to wait for."""
        return self._model is not None or (self.geometry is not None and not self.geometry.segments)

    @property
    def warming(self) -> tuple[int, int]:
        """Windows heard so far, and how many the first fit of the band's model needs."""
        heard = self._fitter.windows if self._fitter is not None else 0
        return min(heard, self._warm_up_windows), self._warm_up_windows

    @property
    def model(self) -> BandModel | None:
        """The model in use; immutable."""
        return self._model

    @property
    def fitted(self) -> Fitted | None:
        """The model in use, as it is told of when it has been loaded."""
        if self._model is None:
            return None
        return Fitted(self.node, self.band, 0, self._model.cluster_count, self._model.name)

    @property
    def drift(self) -> Drift | None:
        """What was said last of the model in use."""
        return None if self._model is None else self._drift.standing

    def measure(self, geometry: Geometry) -> list[Fitted | Unfitted]:
        """Windows are cut from rows of this geometry from now on, which is not that of before."""
        was_fitted = self._model is not None
        self.geometry = geometry
        self._model = self._shipped_model(geometry)
        self._fitter = None
        self._drift.reset()
        if self.fitted is not None:
            return [self.fitted]
        if geometry.segments:
            self._fitter = self._new_fitter(geometry)
        return [Unfitted(self.node, self.band)] if was_fitted else []

    def label(self, windows: list[Window]) -> list[Fitted | Assignment | Drift]:
        """The windows of one moment, or of several, oldest first."""
        started = perf_counter()
        features = self.bundle.embed(np.stack([window.values for window in windows]))
        embedded = perf_counter()
        self.timed("embed", embedded - started)
        outputs: list[Fitted | Assignment | Drift] = []
        if self._fitter is not None:
            fitted = self._fitter.push(features)
            if fitted is not None:
                self._model = fitted
                self._drift.reset()  # novelties of another model
                self.timed("fit", perf_counter() - embedded)
                outputs.append(
                    Fitted(self.node, self.band, fitted.windows, fitted.cluster_count, fitted.name)
                )
        for assignment in self._assignments(windows, features):
            outputs += [*self._drift.push(assignment), assignment]
        self.timed("assign", perf_counter() - embedded)
        return outputs

    def state(self) -> State:
        """The model and what is gathered for the next; they hold for this bundle alone."""
        return {
            "model": None if self._model is None else self._model.state(),
            "fitter": None if self._fitter is None else self._fitter.state(),
            "drift": self._drift.state(),
        }

    def restore(self, state: State, geometry: Geometry | None) -> None:
        """Be as the labels of this bundle were that gave `state`, of rows of `geometry`."""
        self.geometry = geometry
        self._model = None if state["model"] is None else BandModel.of_state(state["model"])
        self._fitter = None
        if state["fitter"] is not None and geometry is not None:
            self._fitter = self._new_fitter(geometry)
            self._fitter.restore(state["fitter"])
        self._drift.reset()
        if "drift" in state:  # states kept before there was any have none
            self._drift.restore(state["drift"])

    def _new_fitter(self, geometry: Geometry) -> BandFitter:
        return BandFitter(
            geometry,
            first_windows=self._warm_up_windows,
            whiten=self.bundle.manifest.whitens,
            seed=self._seed,
            stride_rows=self._stride_rows,
        )

    def _shipped_model(self, geometry: Geometry) -> BandModel | None:
        """The bundle's model of this band, unless it was fitted on something else: then that is said."""
        try:
            model = self.bundle.band_model(self.node, self.band)
            if model is not None:
                model.check(geometry)
        except BadInput as refusal:
            self.told(f"{refusal}; until then the band warms up a model of its own")
            return None
        return model

    def _assignments(self, windows: list[Window], features: Float32) -> list[Assignment]:
        model = self._model
        labels: list[tuple[int | None, float | None, float | None]]
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
                model=model.name if model is not None else self.bundle.name,
            )
            for window, (cluster, distance, novelty) in zip(windows, labels, strict=True)
        ]
