"""Every forecaster that `evaluate forecast` knows, by the name that its tables call it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..pipeline.frames import Float32, History, Int64, read_only
from ..pipeline.histories import HISTORY_STEPS
from .forecast_problem import FittedForecaster, ForecastProblem, Trainer, TrainingWatch
from .forecasters.forecaster import Forecaster
from .forecasters.nlinear import NLinear
from .forecasters.repeat_last import RepeatLast


@dataclass(frozen=True, slots=True, eq=False)
class _Live:
    """A forecaster of the agent's that saw the rows of a problem as steps, one after the other."""

    forecaster: Forecaster
    problem: ForecastProblem
    needs_rows: int = HISTORY_STEPS

    @property
    def name(self) -> str:
        return self.forecaster.name

    def forecasts(self, values: Float32, origins: Int64) -> Float32:
        """Shape: see `FittedForecaster`."""
        table, outputs = self.problem.table, self.problem.outputs
        made: list[Float32] = []
        for origin in origins.tolist():
            history = History(
                node=table.node,
                band=table.band,
                step_s=table.step_s,
                end_ns=0,
                frequencies_hz=table.frequencies_hz[outputs],
                values=read_only(values[origin - HISTORY_STEPS : origin, outputs].copy()),
                season=read_only(np.zeros((0, outputs.stop - outputs.start), np.float32)),
                season_end_ns=read_only(np.zeros(0, np.int64)),
            )
            forecast = self.forecaster.forecast(history)
            made.append(history.values[-1:].repeat(12, axis=0) if forecast is None else forecast)
        return np.stack(made)


def _live(forecaster: type[RepeatLast | NLinear]) -> Trainer:
    def train(problem: ForecastProblem, _seed: int, _watch: TrainingWatch) -> FittedForecaster:
        learned = forecaster()
        breaks = set(problem.table.breaks)
        for row, step in enumerate(problem.table.steps()):
            if row in breaks:
                learned.gap()
            learned.observe(step)
        return _Live(learned, problem)

    return train


TRAINERS: dict[str, Trainer] = {
    "repeat-last": _live(RepeatLast),
    "nlinear": _live(NLinear),
}
"""Tables list them in this order. To add one, add its line."""

BASELINES = ("repeat-last", "mean-24", "seasonal", "nlinear", "ridge")
"""What anybody would try: in every table, and the same whatever the seed."""
