"""The third paper's networks, trained on a problem's rows; and the CNN-LSTM of a bundle, for the agent."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from .checkpoint import tensors_of
from .engine import choose_device
from .forecast_problem import ForecastProblem, TrainingWatch
from .forecast_split import ForecastSplit
from .forecasters.cnn_lstm import CnnLstm
from .forecasters.cnn_lstm_attention_network import CnnLstmAttentionNetwork
from .forecasters.cnn_lstm_network import CnnLstmNetwork
from .forecasters.cnn_network import CnnNetwork
from .forecasters.fitted_network import FittedNetwork
from .forecasters.gru_network import GruNetwork
from .forecasters.lstm_network import LstmNetwork
from .forecasters.network_config import NetworkConfig
from .forecasters.transformer_network import TransformerNetwork
from .network_training import EPOCHS, ITERATIONS, Budget, EpochFigures, Progress, train_network
from .step_table import StepTable

__all__ = ["NETWORKS", "EpochFigures", "fit_network", "train_cnn_lstm"]

NETWORKS: dict[str, type[nn.Module]] = {
    "lstm": LstmNetwork,
    "gru": GruNetwork,
    "cnn": CnnNetwork,
    "transformer": TransformerNetwork,
    "cnn-lstm": CnnLstmNetwork,
    "cnn-lstm-attention": CnnLstmAttentionNetwork,
}
"""Of Xu et al. (2025), by the names of its table 1; each is made of a `NetworkConfig`."""


def fit_network(
    name: str,
    problem: ForecastProblem,
    seed: int,
    watch: TrainingWatch,
    *,
    device: str = "auto",
    epochs: int = EPOCHS,
    iterations: int = ITERATIONS,
) -> FittedNetwork:
    """Train one of `NETWORKS` at the paper's budget: every column in, the problem's outputs out.

    Every window of 36 unbroken, finite steps trains; scaling comes from their rows alone. The paper's
    "validation split 0.2" is read as its 8:2 split into training and test rows, which was made before: of
    the training rows none is held out. Resumes and repeats as `train_network` says.

    Raises BadInput where there is too little to train on, no such device, or another training's checkpoint.
    """
    budget = Budget(seed, epochs, iterations, choose_device(device))
    split = ForecastSplit.of(problem.table, problem.outputs, validation_share=0)
    columns = problem.table.values.shape[1]
    outputs = range(columns)[problem.outputs]
    config = NetworkConfig(inputs=columns, outputs=len(outputs))
    settings = [name, seed, epochs, iterations, outputs.start, outputs.stop, outputs.step]
    network, _ = train_network(
        lambda: NETWORKS[name](config),
        split,
        budget,
        fingerprint=training_fingerprint(problem.table, settings),
        checkpoint=watch.checkpoint,
        progress=lambda figures: watch.on_epoch(figures.epoch, figures.epochs),
    )
    return FittedNetwork(name, network, split.mean_db, split.scale_db, problem.outputs)


def train_cnn_lstm(
    table: StepTable,
    *,
    seed: int = 0,
    epochs: int = EPOCHS,
    iterations: int = ITERATIONS,
    checkpoint: Path | None = None,
    progress: Progress | None = None,
) -> CnnLstm:
    """Train a bundle's CNN-LSTM as the paper does, every frequency in and out, on the CPU.

    Learns from windows of 36 unbroken, finite steps. The last 0.2 of the rows are held out for validation
    (targets wholly there; histories may reach before), and neither scaling nor weights come from them. The
    weights are the last epoch's: validation chooses nothing. No row outside `table` is seen. Resumes and
    repeats as `train_network` says.

    Raises BadInput where there is too little to train on or nothing to do, or the checkpoint belongs to
    another training.
    """
    budget = Budget(seed, epochs, iterations)
    split = ForecastSplit.of(table)
    frequencies = table.frequencies_hz.size
    network, figures = train_network(
        lambda: CnnLstmNetwork(NetworkConfig(frequencies, frequencies)),
        split,
        budget,
        fingerprint=training_fingerprint(table, [seed, epochs, iterations]),
        checkpoint=checkpoint,
        progress=progress or (lambda _figures: None),
    )
    return CnnLstm(
        frequencies_hz=table.frequencies_hz,
        unit=table.unit,
        step_s=table.step_s,
        mean_db=split.mean_db,
        scale_db=split.scale_db,
        weights=tensors_of(network),
        figures={
            "seed": seed,
            "epochs": epochs,
            "iterations": iterations,
            "rows": len(table.values),
            "training_windows": len(split.training),
            "validation_windows": len(split.validation),
            "validation_rmse_db": round(figures[-1].validation_rmse_db, 4),
            "validation_repeat_last_rmse_db": round(split.repeat_last_rmse_db(), 4),
        },
    )


def training_fingerprint(table: StepTable, settings: Sequence[Any]) -> str:
    """Everything the result depends on."""
    sha = hashlib.sha256()
    sha.update(json.dumps([*settings, table.unit, table.step_s, table.breaks]).encode())
    for array in (table.frequencies_hz, table.values):
        sha.update(repr(array.shape).encode() + np.ascontiguousarray(array).tobytes())
    return sha.hexdigest()
