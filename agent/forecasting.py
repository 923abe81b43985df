"""The forecasting half of a band's route: steps in; forecasts, scores and departures out."""

from __future__ import annotations

from dataclasses import asdict
from functools import partial

from ..models.contest import Contest, ContestOutput
from ..models.forecast_fit import Fit
from ..models.forecasters.forecaster import Forecaster
from ..models.forecasters.nlinear import NLinear
from ..models.forecasters.repeat_last import RepeatLast
from ..models.geometry import Geometry
from ..models.live_forecaster import LiveForecaster
from ..pipeline.errors import BadInput
from ..pipeline.frames import Forecast, Gap, Step
from ..pipeline.histories import Histories
from ..pipeline.state import State
from .fits import Fits
from .forecaster_in_use import DEFAULT, NETWORK, NLINEAR, ForecasterInUse
from .labels import Labels


class Forecasting:
    """Histories of one band, and the contest of its forecasters.

    They are the bundle's of `labels`, and, with `fits`, the newest fit of the band's own steps.
    """

    def __init__(self, labels: Labels, histories: Histories, fits: Fits | None) -> None:
        self._labels = labels
        self._histories = histories
        self._fits = fits
        self._live: LiveForecaster | None = None
        self._nlinear = NLinear()
        self._contest = Contest(labels.node, labels.band, [])
        self._refused: set[str] = set()
        self.newest: Forecast | None = None

    def measure(self, geometry: Geometry) -> None:
        """Rows of this geometry mean another thing than those before: all begin anew."""
        self._contest = self._new_contest(geometry.unit)
        self.newest = None

    def use_labels(self, labels: Labels) -> None:
        """Forecasters of another bundle; what was scored stays."""
        self._labels = labels
        if labels.geometry is not None:
            state = self._contest.state()
            self._contest = self._new_contest(labels.geometry.unit)
            self._contest.restore(state)

    @property
    def fit(self) -> Fit | None:
        """The default forecaster in use, if there is one."""
        return None if self._live is None else self._live.fit

    @property
    def in_use(self) -> ForecasterInUse | None:
        """What the newest forecast is by, as it is now; None without one, or where it is gone since."""
        if self.newest is None:
            return None
        model = self.newest.model
        if model == DEFAULT:
            return None if self.fit is None else ForecasterInUse(model, fit=self.fit.key)
        if model == NLINEAR:
            weights = self._nlinear.state()["map"]
            return None if weights is None else ForecasterInUse(model, weights=weights.tolist())
        if model == NETWORK:
            bundle = self._labels.bundle
            return ForecasterInUse(model, bundle=str(bundle.path), bundle_hash=bundle.hash)
        return ForecasterInUse(model)

    def use_fit(self, key: str) -> None:
        """Forecast by this fit from the next step on. Its record is what it did on steps it had not seen;
        over those that came while it was made it is compared with nobody.

        BadInput where it cannot be used; the one before stays then.
        """
        labels = self._labels
        if self._fits is None or self._live is None or labels.geometry is None:
            raise BadInput(f"{labels.node}/{labels.band}: fit {key} came before there was a row")
        fit = self._fits.load(labels.node, labels.band, key)
        if fit.unit != labels.geometry.unit:
            raise BadInput(f"fit {key}: rows are in {labels.geometry.unit}, it was fitted on {fit.unit}")
        if self.newest is not None:
            fit.check(self.newest.frequencies_hz, self.newest.step_s)
        self._live.use(fit)
        from_ns = 0 if self.newest is None else self.newest.made_ns + 1
        self._contest.replaced(self._live.name, fit.squares, fit.scored_until_ns, from_ns)
        self._refused.discard(self._live.name)

    def gap(self, gap: Gap) -> None:
        self._histories.gap(gap)
        self._contest.gap(gap)

    def push(self, step: Step, idle_below_db: float) -> list[ContestOutput]:
        """Score what was forecast of the step, learn it, and forecast; idle is what lies below a level."""
        outputs = self._contest.push(step)
        for history in self._histories.push(step):
            for output in self._contest.push(history):
                if isinstance(output, Forecast):
                    output = self.newest = self._contest.with_idle(output, idle_below_db)
                outputs.append(output)
        for name, reason in self._contest.refused.items():
            if name not in self._refused:
                self._refused.add(name)
                self._told(f"{reason}; it takes no part")
        return outputs

    def state(self) -> State:
        return {
            "histories": self._histories.state(),
            "contest": self._contest.state(),
            "newest": None if self.newest is None else asdict(self.newest),
        }

    def restore(self, state: State, geometry: Geometry | None) -> None:
        """Go on as the one that gave `state`, of rows of `geometry`; for a new one."""
        self._histories.restore(state["histories"])
        if geometry is None:
            return
        self._contest = self._new_contest(geometry.unit)
        self._contest.restore(state["contest"])
        self.newest = None if state["newest"] is None else Forecast(**state["newest"])
        for name, reason in self._contest.not_restored.items():
            self._told(f"{name} begins anew: {reason}")

    def _new_contest(self, unit: str) -> Contest:
        return Contest(self._labels.node, self._labels.band, self._forecasters(unit))

    def _forecasters(self, unit: str) -> list[Forecaster]:
        node, band = self._labels.node, self._labels.band
        self._nlinear = NLinear()
        forecasters: list[Forecaster] = [RepeatLast(), self._nlinear]
        if self._fits is not None:
            self._live = LiveForecaster(partial(self._fits.load, node, band))
            forecasters.append(self._live)
        try:
            network = self._labels.bundle.cnn_lstm(node, band)
            if network is None:
                return forecasters
            network.check(network.frequencies_hz, network.step_s, unit)
        except BadInput as refusal:
            self._told(f"{refusal}; it takes no part")
            return forecasters
        return [*forecasters, network]

    def _told(self, line: str) -> None:
        self._labels.told(f"{self._labels.node}/{self._labels.band}: {line}")
