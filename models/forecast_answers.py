"""A forecaster's answers to a question: trained on its training rows, asked at each origin, watched."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..pipeline.frames import Float32, Int64
from .forecast_problem import FittedForecaster, Trainer, TrainingWatch
from .forecast_question import ForecastQuestion
from .forecast_rows import Stretch

SPOT_CHECKS = 4
MOST_DIFFERENCE = 1e-3  # of a forecast made alone from the same one made among others, in the band's unit


@dataclass(frozen=True, slots=True, eq=False)
class Answers:
    """Forecasts float32 [n, horizon, f] at the question's origins; what training and asking took, seconds."""

    forecasts: Float32
    training_seconds: float
    asking_seconds: float


def answer(
    question: ForecastQuestion,
    columns: slice,
    trainer: Trainer,
    seed: int,
    watch: TrainingWatch,
    clock: Callable[[], float] = time.perf_counter,
) -> Answers:
    """Train and ask. Training sees a copy of the training rows and no others.

    Asking hands over all rows, as that is fast. That no forecast hangs on a row from its origin on is
    proven on four of them: each is made again with every row gone that it may not read.
    """
    begun = clock()
    fitted = trainer(question.problem(columns), seed, watch)
    trained = clock()
    parts: list[Float32] = []
    for stretch in question.rows.grid():
        asked = question.origins[np.isin(question.origins, stretch.number)]
        if len(asked):
            places = stretch.place[np.searchsorted(stretch.number, asked)]
            made = fitted.forecasts(stretch.values, places)
            _refuse_foresight(fitted, stretch, places, made)
            parts.append(made[:, : question.horizon].astype(np.float32, copy=False))
    return Answers(np.concatenate(parts), trained - begun, clock() - trained)


def _refuse_foresight(fitted: FittedForecaster, stretch: Stretch, places: Int64, made: Float32) -> None:
    """Raise RuntimeError, for it is a bug, where a forecast read what it may not."""
    for index in np.unique(np.linspace(0, len(places) - 1, SPOT_CHECKS).round().astype(int)).tolist():
        origin = int(places[index])
        first = max(0, origin - fitted.needs_rows)
        shown = np.full_like(stretch.values, np.nan)
        shown[first:origin] = stretch.values[first:origin]
        again = fitted.forecasts(shown, places[index : index + 1])[0]
        if not np.allclose(again, made[index], rtol=1e-5, atol=MOST_DIFFERENCE, equal_nan=True):
            raise RuntimeError(
                f"{fitted.name}: its forecast for row {origin} changes with rows other than the "
                f"{fitted.needs_rows} before"
            )
