"""Every forecaster that the commands know: those of `models`, and two that choose their inputs."""

from __future__ import annotations

from collections.abc import Mapping

from ..models.forecast_models import TRAINERS
from ..models.forecast_problem import FittedForecaster, ForecastProblem, Trainer, TrainingWatch

TRIAL_EPOCHS = 10


def _selected(name: str, attribution: str, epochs: int | None = None) -> Trainer:
    """At the paper's budget, or of so many epochs; torch is loaded by the first that trains."""

    def train(problem: ForecastProblem, seed: int, watch: TrainingWatch) -> FittedForecaster:
        from .selected_forecasters import SelectionBudget, fit_selected

        budget = None
        if epochs is not None:
            budget = SelectionBudget(epochs=epochs, trial_epochs=min(TRIAL_EPOCHS, epochs))
        return fit_selected(name, attribution, problem, seed, watch, budget)

    return train


def _network(name: str, epochs: int) -> Trainer:
    def train(problem: ForecastProblem, seed: int, watch: TrainingWatch) -> FittedForecaster:
        from ..models.forecast_training import fit_network

        return fit_network(name, problem, seed, watch, epochs=epochs)

    return train


SELECTING = {"gc-cnn-lstm": "grad-cam", "shap-cnn-lstm": "shap"}
"""Those that choose their inputs, and by what. Each trains 30 networks, six times as long as one of the
paper's in all."""

EVERY_TRAINER: dict[str, Trainer] = TRAINERS | {
    name: _selected(name, attribution) for name, attribution in SELECTING.items()
}
"""Tables list them in this order."""

FIRST_SHARE = {"gc-cnn-lstm": 0.6, "shap-cnn-lstm": 0.6}
"""Of the training rows: what those that choose by rolling origin learn from first."""


def with_epochs(trainers: Mapping[str, Trainer], epochs: int) -> dict[str, Trainer]:
    """The networks among them at this budget, what is trained to choose by at ten epochs of it at most."""
    from ..models.forecast_training import NETWORKS

    return {
        name: _network(name, epochs)
        if name in NETWORKS
        else _selected(name, SELECTING[name], epochs)
        if name in SELECTING
        else given
        for name, given in trainers.items()
    }
