"""The third paper's networks as trainers; torch is loaded by the first that trains."""

from __future__ import annotations

from .forecast_problem import FittedForecaster, ForecastProblem, Trainer, TrainingWatch


def network_trainer(name: str) -> Trainer:
    """Of one of `forecast_training.NETWORKS`, at the paper's budget, on a GPU if there is one."""

    def train(problem: ForecastProblem, seed: int, watch: TrainingWatch) -> FittedForecaster:
        from .forecast_training import fit_network

        return fit_network(name, problem, seed, watch)

    return train
