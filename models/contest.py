"""The contest of forecasters: the one that did better on recent truth is given out."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..pipeline.errors import BadInput
from ..pipeline.frames import NS_PER_S, Float32, Forecast, Gap, History, Step, read_only
from .conformal import Conformal
from .forecasters.forecaster import HORIZON_STEPS, Forecaster
from .forecasters.repeat_last import RepeatLast


@dataclass(frozen=True, slots=True)
class Score:
    """What one step proved of the forecast that was given out for it, over all frequencies of the band.

    `end_ns` is the end of the step that was forecast, `horizon` its number (1..12) in the forecast made at
    `made_ns`; errors are in dB. `coverage_ratio` is the share of frequencies inside [low, high], NaN
    while there were no intervals. Frequencies whose truth is not finite count nowhere.
    """

    node: str
    band: str
    made_ns: int
    end_ns: int
    horizon: int
    model: str
    mae_db: float
    rmse_db: float
    repeat_last_rmse_db: float
    coverage_ratio: float


@dataclass(frozen=True, slots=True, eq=False)
class _Pending:
    """A forecast given out, and what every candidate would have said; arrays [12, F]."""

    given: Forecast
    means: dict[str, Float32]


class Contest:
    """A stage: Step and History in, Score and Forecast out, for one band.

    A Step is first scored against every forecast that was waiting for it, for every candidate; only then
    do conformal intervals and forecasters learn from it. A History makes every candidate forecast; given
    out is the one whose recent squared error, pooled over horizons, is the lowest share of repeat-last's
    on the same forecasts. Repeat-last is always a candidate, named or not, and is given out while no
    other has `enough` scored steps or none is strictly better. Recent means the last `recent` steps that
    scored anything.

    A waiting forecast is scored at the horizon whose step ends within half a step of this one's end. A gap
    drops the waiting forecasts (what follows a retune or a hole proves nothing about them) and restarts
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
        self._recent = recent
        self._enough = enough
        self._conformal = Conformal(horizon)
        self.refused: dict[str, str] = {}
        self._forget()

    def push(self, item: Step | History) -> list[Forecast | Score]:
        """Score and learn a step, or forecast from a history. Raises BadInput on an item of another band."""
        if (item.node, item.band) != (self._node, self._band):
            raise BadInput(
                f"contest of {self._node}/{self._band}: got an item of {item.node}/{item.band}, "
                "takes only its own band's"
            )
        if self._is_another_geometry(item):
            self.reset()
        self._step_s, self._frequencies_hz = item.step_s, item.frequencies_hz
        if isinstance(item, History):
            return [self._forecast(item)]
        scores = self._score(item)
        for forecaster in self._others:
            forecaster.observe(item)
        return [*scores]

    def gap(self, gap: Gap) -> list[Forecast | Score]:  # noqa: ARG002 - the same whatever the reason
        """Drop the forecasts that wait; learning goes on after it."""
        self._pending.clear()
        for forecaster in self._others:
            forecaster.gap()
        return []

    def reset(self) -> None:
        """Forget everything, what the forecasters learned included."""
        for forecaster in self._others:
            forecaster.reset()
        self._conformal.reset()
        self.refused.clear()
        self._forget()

    def _forget(self) -> None:
        self._pending: deque[_Pending] = deque(maxlen=self._horizon)
        self._records = {f.name: _Record(self._recent) for f in self._others}
        self._step_s: float | None = None
        self._frequencies_hz: NDArray[np.float64] | None = None

    def _is_another_geometry(self, item: Step | History) -> bool:
        if self._frequencies_hz is None:
            return False
        return item.step_s != self._step_s or not np.array_equal(item.frequencies_hz, self._frequencies_hz)

    def _forecast(self, history: History) -> Forecast:
        means: dict[str, Float32] = {self._baseline.name: self._baseline.forecast(history)[: self._horizon]}
        for forecaster in self._others:
            if forecaster.name in self.refused:
                continue
            try:
                mean = forecaster.forecast(history)
            except BadInput as error:
                self.refused[forecaster.name] = str(error)
                continue
            if mean is not None:
                means[forecaster.name] = mean[: self._horizon]
        model = self._best(means)
        mean = means[model]
        low, high = self._conformal.interval(mean)
        given = Forecast(
            node=self._node,
            band=self._band,
            made_ns=history.end_ns,
            step_s=history.step_s,
            frequencies_hz=history.frequencies_hz,
            mean=read_only(mean),
            low=read_only(low),
            high=read_only(high),
            model=model,
        )
        self._pending.append(_Pending(given, means))
        return given

    def _best(self, means: dict[str, Float32]) -> str:
        """The candidate to give out among those that forecast; ties go to the earlier one."""
        best, lowest = self._baseline.name, 1.0
        for name in means:
            record = self._records.get(name)
            if record is not None and record.steps >= self._enough and record.share < lowest:
                best, lowest = name, record.share
        return best

    def _score(self, step: Step) -> list[Score]:
        scores: list[Score] = []
        squares: dict[str, tuple[float, float]] = {}  # own and repeat-last's, on the same forecasts
        for pending in reversed(self._pending):  # newest first: horizons in order
            elapsed_ns = step.end_ns - pending.given.made_ns
            horizon = round(elapsed_ns / (step.step_s * NS_PER_S))
            if not 1 <= horizon <= self._horizon:
                continue
            repeated = pending.means[self._baseline.name][horizon - 1]
            known = np.isfinite(step.values) & np.isfinite(repeated)
            if not known.any():
                continue
            baseline = _mean_square(repeated, step.values, known)
            for name in self._records.keys() & pending.means.keys():
                own, same = squares.get(name, (0.0, 0.0))
                own += _mean_square(pending.means[name][horizon - 1], step.values, known)
                squares[name] = own, same + baseline
            scores.append(self._score_given(pending.given, horizon, step, known, baseline))
        for name, (own, baseline) in squares.items():
            self._records[name].add(own, baseline)
        return scores

    def _score_given(
        self, given: Forecast, horizon: int, step: Step, known: NDArray[np.bool_], baseline_square: float
    ) -> Score:
        residual = np.full(step.values.shape, np.nan, np.float32)
        residual[known] = given.mean[horizon - 1][known] - step.values[known]
        self._conformal.observe(horizon, residual)
        low, high = given.low[horizon - 1], given.high[horizon - 1]
        bounded = known & np.isfinite(low) & np.isfinite(high)
        inside = (low[bounded] <= step.values[bounded]) & (step.values[bounded] <= high[bounded])
        error = residual[known].astype(np.float64)
        return Score(
            node=self._node,
            band=self._band,
            made_ns=given.made_ns,
            end_ns=step.end_ns,
            horizon=horizon,
            model=given.model,
            mae_db=float(np.abs(error).mean()),
            rmse_db=float(np.sqrt(np.square(error).mean())),
            repeat_last_rmse_db=baseline_square**0.5,
            coverage_ratio=float(inside.mean()) if bounded.any() else float("nan"),
        )


class _Record:
    """A candidate's squared errors over the last scored steps, beside repeat-last's on the same forecasts."""

    def __init__(self, recent: int) -> None:
        self._squares: deque[tuple[float, float]] = deque(maxlen=recent)

    @property
    def steps(self) -> int:
        return len(self._squares)

    @property
    def share(self) -> float:
        """Own squared error as a share of repeat-last's; 1 where neither erred."""
        # Summed anew each time: a running sum would never lose an infinity.
        own, baseline = np.sum(self._squares, axis=0)
        if baseline == 0:
            return 1.0 if own == 0 else math.inf
        return float(own / baseline)

    def add(self, own: float, baseline: float) -> None:
        self._squares.append((own, baseline))


def _mean_square(mean: Float32, truth: Float32, known: NDArray[np.bool_]) -> float:
    """Over the frequencies whose truth is known; infinite where the forecast is not finite."""
    said = mean[known].astype(np.float64)
    if not np.isfinite(said).all():
        return math.inf
    return float(np.square(said - truth[known]).mean())
