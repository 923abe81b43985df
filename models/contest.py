"""The contest of forecasters: the one that did better on recent truth is given out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ..pipeline.errors import BadInput
from ..pipeline.frames import SAME_MEANING, Float32, Forecast, Gap, History, Step, read_only
from ..pipeline.state import State
from .conformal import Conformal
from .departure import Departure, departure_of
from .error_record import Squares
from .forecasters.forecaster import HORIZON_STEPS, Forecaster
from .forecasters.repeat_last import RepeatLast
from .scoring import Score, scored
from .standings import ForecasterChange, Standings
from .stated import Stated
from .waiting import WaitingForecast, WaitingForecasts, errors_of

ContestOutput = Forecast | Score | Departure | ForecasterChange


class Contest:
    """A stage: Step and History in; Score, Departure, Forecast and ForecasterChange out, for one band.

    A Step is first scored against every forecast that was waiting for it, for every candidate; only then
    do conformal intervals and forecasters learn from it. A History makes every candidate forecast; given
    out is the one whose recent squared error, pooled over horizons, is the lowest share of repeat-last's
    on the same forecasts, by a lead over the one before (`Standings`). Repeat-last is always a candidate,
    named or not, and is given out while no other has `enough` scored steps. Recent means the last `recent`
    steps that scored anything.

    A waiting forecast is scored at the horizon whose step ends within half a step of this one's end, so
    missing rows do it no harm. A gap after which rows mean something else, a step of another gain and a
    clock that went back drop the waiting forecasts (what follows proves nothing about them) and restart
    the forecasters' running windows; scores, intervals and what was learned stay. Other frequencies or
    another step length are another band: everything is forgotten. A candidate that refuses the band's
    geometry takes no part; why is in `refused`.
    """

    def __init__(
        self,
        node: str,
        band: str,
        forecasters: Sequence[Forecaster],
        *,
        horizon: int = HORIZON_STEPS,
        recent: int = 288,
        enough: int = 24,
    ) -> None:
        if not 0 < enough <= recent:
            raise ValueError(f"enough is {enough}, must lie between 1 and recent {recent}")
        self._node, self._band = node, band
        self._baseline = RepeatLast()
        self._others = [f for f in forecasters if f.name != self._baseline.name]
        names = [f.name for f in self._others]
        if len(set(names)) != len(names):
            raise ValueError(f"forecasters of band {band} share a name: {', '.join(names)}")
        self._horizon = horizon
        self._standings = Standings(self._baseline.name, names, recent=recent, enough=enough)
        self._conformal = Conformal(horizon)
        self._waiting = WaitingForecasts(horizon)
        self.refused: dict[str, str] = {}
        self.not_restored: dict[str, str] = {}
        self._forget()

    def push(self, item: Step | History) -> list[ContestOutput]:
        """Score and learn a step, or forecast from a history. Raises BadInput on an item of another band."""
        if (item.node, item.band) != (self._node, self._band):
            whose = f"got an item of {item.node}/{item.band}, takes only its own band's"
            raise BadInput(f"contest of {self._node}/{self._band}: {whose}")
        if self._is_another_geometry(item):
            self.reset()
        self._step_s, self._frequencies_hz = item.step_s, item.frequencies_hz
        if isinstance(item, History):
            return self._forecast(item)
        measure = (item.unit, item.gain_db)
        if self._measure not in (None, measure):
            self._break_off()
        self._measure = measure
        found = self._score(item)
        for forecaster in self._others:
            forecaster.observe(item)
        return found

    def with_idle(self, forecast: Forecast, below_db: float) -> Forecast:
        """The newest forecast, with the probability of each value lying below a level (see `Forecast`)."""
        spread = self._waiting.newest_spread_db
        if spread is None or not math.isfinite(below_db):
            return forecast
        idle = read_only(self._conformal.below(forecast.mean, spread, below_db))
        return replace(forecast, idle=idle, idle_below_db=below_db)

    def replaced(self, name: str, squares: Squares, scored_until_ns: int, from_ns: int) -> None:
        """The forecaster of this name is another one from the next forecast on (see `Standings.begin`)."""
        self._standings.begin(name, squares, scored_until_ns, from_ns)
        self.refused.pop(name, None)

    def gap(self, gap: Gap) -> list[ContestOutput]:
        """Break off where the rows change their meaning; learning goes on after it."""
        if gap.reason not in SAME_MEANING:
            self._break_off()
        return []

    def _break_off(self) -> None:
        self._waiting.clear()
        for forecaster in self._others:
            forecaster.gap()

    def reset(self) -> None:
        """Forget everything, what the forecasters learned included."""
        for forecaster in self._others:
            forecaster.reset()
        self._conformal.reset()
        self._waiting.clear()
        self.refused.clear()
        self.not_restored.clear()
        self._forget()

    def state(self) -> State:
        """All that later answers rest on; `forecasters` holds each one's own state by name."""
        return {
            "node": self._node,
            "band": self._band,
            "horizon": self._horizon,
            "step_s": self._step_s,
            "frequencies_hz": None
            if self._frequencies_hz is None
            else read_only(self._frequencies_hz.copy()),
            "unit": None if self._measure is None else self._measure[0],
            "gain_db": None if self._measure is None else self._measure[1],
            "standings": self._standings.state(),
            "waiting": self._waiting.state(),
            "refused": dict(self.refused),
            "conformal": self._conformal.state(),
            "forecasters": {f.name: f.state() for f in self._others},
        }

    def restore(self, state: State) -> None:
        """Go on as the contest that gave `state`; BadInput where it does not fit: as new, then.

        A forecaster that the state does not know, or that refuses its own, begins anew, its record with
        it; of the latter kind `not_restored` says why. What is of a forecaster no longer here is left out.
        """
        self.reset()
        try:
            self._take(Stated(f"contest of {self._node}/{self._band}", state))
        except BadInput:
            self.reset()
            raise

    def _take(self, kept: Stated) -> None:
        kept.same("node", self._node)
        kept.same("band", self._band)
        kept.same("horizon", self._horizon)
        if kept.value("frequencies_hz") is not None:
            self._step_s = kept.number("step_s")
            self._frequencies_hz = kept.array("frequencies_hz", np.float64, (None,))
            waiting = kept.inner("waiting")
            self._waiting.restore(waiting, self._node, self._band, self._step_s, self._frequencies_hz)
        if kept.value("unit") is not None:
            self._measure = kept.text("unit"), kept.optional("gain_db", kept.number)
        self._conformal.restore(kept.part("conformal"))
        states, refused = kept.part("forecasters"), kept.part("refused")
        for forecaster in self._others:
            name = forecaster.name
            if name not in states:
                continue
            try:
                forecaster.restore(states[name])
            except BadInput as error:
                self.not_restored[name] = str(error)
                continue
            if name in refused:
                self.refused[name] = str(refused[name])
        anew = [f.name for f in self._others if f.name not in states or f.name in self.not_restored]
        self._standings.restore(kept.inner("standings"), anew)
        if self.not_restored:
            self._waiting.clear()  # they would go down in the record of one that did not make them

    def _forget(self) -> None:
        self._standings.reset()
        self._measure: tuple[str, float | None] | None = None  # unit and gain of the last step
        self._step_s: float | None = None
        self._frequencies_hz: NDArray[np.float64] | None = None

    def _is_another_geometry(self, item: Step | History) -> bool:
        if self._frequencies_hz is None:
            return False
        return item.step_s != self._step_s or not np.array_equal(item.frequencies_hz, self._frequencies_hz)

    def _forecast(self, history: History) -> list[ContestOutput]:
        repeated = self._baseline.forecast(history)[: self._horizon]
        means: dict[str, Float32] = {self._baseline.name: read_only(repeated)}
        for forecaster in self._others:
            if forecaster.name in self.refused:
                continue
            try:
                mean = forecaster.forecast(history)
            except BadInput as error:
                self.refused[forecaster.name] = str(error)
                continue
            if mean is not None:
                means[forecaster.name] = read_only(mean[: self._horizon])
        was = self._standings.choose(means)
        model = self._standings.given or self._baseline.name
        mean = means[model]
        spread = self._conformal.spread(mean.shape[1])
        low, high = self._conformal.interval(mean, spread)
        given = Forecast(
            node=self._node,
            band=self._band,
            made_ns=history.end_ns,
            step_s=history.step_s,
            frequencies_hz=history.frequencies_hz,
            mean=mean,
            low=read_only(low),
            high=read_only(high),
            model=model,
        )
        self._waiting.add(WaitingForecast(given, means, read_only(spread)))
        if was is None:
            return [given]
        change = ForecasterChange(
            self._node, self._band, history.end_ns, model, was, *self._standings.rmse_db(model, was)
        )
        return [change, given]

    def _score(self, step: Step) -> list[ContestOutput]:
        due = self._waiting.due(step)
        scores, proofs = scored(step, due, self._baseline.name, self._standings.scores)
        if scores:
            self._standings.prove(step.end_ns, proofs)
        self._conformal.observe(*errors_of(step, due, self._horizon))
        departure = departure_of(step, due)
        return [*scores] if departure is None else [*scores, departure]
