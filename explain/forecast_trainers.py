"""Every forecaster that `evaluate forecast` knows: those of `models`, and two that choose their inputs."""

from __future__ import annotations

from ..models.forecast_models import TRAINERS
from ..models.forecast_problem import FittedForecaster, ForecastProblem, Trainer, TrainingWatch


def _selected(name: str, attribution: str) -> Trainer:
    """At the paper's budget; torch is loaded by the first that trains."""

    def train(problem: ForecastProblem, seed: int, watch: TrainingWatch) -> FittedForecaster:
        from .selected_forecasters import fit_selected

        return fit_selected(name, attribution, problem, seed, watch)

    return train


EVERY_TRAINER: dict[str, Trainer] = TRAINERS | {
    "gc-cnn-lstm": _selected("gc-cnn-lstm", "grad-cam"),
    "shap-cnn-lstm": _selected("shap-cnn-lstm", "shap"),
}
"""Tables list them in this order."""
