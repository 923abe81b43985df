"""Training the third paper's CNN-LSTM on the steps of one band."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch

from ..pipeline.errors import BadInput
from .checkpoint import give_tensors, load_checkpoint, save_checkpoint, tensors_of
from .forecast_split import ForecastSplit
from .forecasters.cnn_lstm import CnnLstm
from .forecasters.cnn_lstm_network import CnnLstmConfig, CnnLstmNetwork
from .step_table import StepTable

BATCH = 32
LEARNING_RATE = 1e-3


@dataclass(frozen=True, slots=True)
class EpochFigures:
    """What an epoch came to: mean squared error while training (scaled), and the validation RMSE in dB."""

    epoch: int
    epochs: int
    training_loss: float
    validation_rmse_db: float


Progress = Callable[[EpochFigures], None]


def train_cnn_lstm(
    table: StepTable,
    *,
    seed: int = 0,
    epochs: int = 70,
    iterations: int = 50,
    checkpoint: Path | None = None,
    progress: Progress | None = None,
) -> CnnLstm:
    """Train as the paper does: Adam at 0.001, squared error, batches of 32, 70 epochs of 50 iterations.

    Learns from windows of 36 unbroken, finite steps. The last 0.2 of the rows are held out for validation
    (targets wholly there; histories may reach before), and neither scaling nor weights come from them. The
    weights are the last epoch's: validation chooses nothing. No row outside `table` is seen.

    The same table, seed, epochs and iterations give the same weights on one machine. With a `checkpoint`
    path every epoch ends with an atomic write there, and a later call goes on where it ends, to the same
    result. Runs on one CPU thread and leaves torch's random state and threads as they were.

    Raises BadInput where there is too little to train on or nothing to do, or the checkpoint belongs to
    another training.
    """
    if epochs < 1 or iterations < 1:
        raise BadInput(
            f"forecast training: {epochs} epochs of {iterations} iterations, needs at least 1 each"
        )
    split = ForecastSplit.of(table)
    with _torch_alone():
        torch.manual_seed(seed)
        frequencies = table.frequencies_hz.size
        network = CnnLstmNetwork(CnnLstmConfig(frequencies, frequencies))
        trainable = [p for p in network.parameters() if p.requires_grad]
        optimizer = torch.optim.Adam(trainable, lr=LEARNING_RATE)
        fingerprint = _fingerprint(table, seed, epochs, iterations)
        figures = _resume(checkpoint, fingerprint, network, optimizer)
        for epoch in range(len(figures) + 1, epochs + 1):
            loss = _run_epoch(network, optimizer, split, iterations)
            figures.append(EpochFigures(epoch, epochs, loss, split.validation_rmse_db(network)))
            if checkpoint is not None:
                _keep(checkpoint, fingerprint, network, optimizer, figures)
            if progress is not None:
                progress(figures[-1])
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


def _run_epoch(
    network: CnnLstmNetwork, optimizer: torch.optim.Optimizer, split: ForecastSplit, iterations: int
) -> float:
    """`iterations` batches, through the windows in one random order after another; the mean loss."""
    network.train()
    rounds = -(-iterations * BATCH // len(split.training))
    order = torch.cat([torch.randperm(len(split.training)) for _ in range(rounds)])
    total = 0.0
    for batch in order[: iterations * BATCH].split(BATCH):
        histories, targets = split.batch(split.training[batch.numpy()])
        optimizer.zero_grad()
        loss = torch.nn.functional.mse_loss(network(histories), targets)
        loss.backward()
        optimizer.step()
        total += loss.item()
    return total / iterations


def _keep(
    path: Path,
    fingerprint: str,
    network: CnnLstmNetwork,
    optimizer: torch.optim.Optimizer,
    figures: list[EpochFigures],
) -> None:
    arrays = {f"network/{name}": array for name, array in tensors_of(network).items()}
    arrays |= {f"optimizer/{name}": array for name, array in tensors_of(optimizer).items()}
    arrays["random"] = torch.get_rng_state().numpy()
    save_checkpoint(path, fingerprint, arrays, {"figures": [asdict(figure) for figure in figures]})


def _resume(
    path: Path | None, fingerprint: str, network: CnnLstmNetwork, optimizer: torch.optim.Optimizer
) -> list[EpochFigures]:
    """Take up where a checkpoint stands, torch's random state included; the figures of its epochs."""
    if path is None or not path.exists():
        return []
    arrays, facts = load_checkpoint(path, fingerprint)
    for part, prefix in ((network, "network/"), (optimizer, "optimizer/")):
        give_tensors(
            part, {n.removeprefix(prefix): array for n, array in arrays.items() if n.startswith(prefix)}
        )
    torch.set_rng_state(torch.from_numpy(arrays["random"]))
    return [EpochFigures(**figure) for figure in facts["figures"]]


def _fingerprint(table: StepTable, seed: int, epochs: int, iterations: int) -> str:
    """Everything the result depends on."""
    sha = hashlib.sha256()
    sha.update(json.dumps([seed, epochs, iterations, table.unit, table.step_s, table.breaks]).encode())
    for array in (table.frequencies_hz, table.values):
        sha.update(repr(array.shape).encode() + np.ascontiguousarray(array).tobytes())
    return sha.hexdigest()


@contextlib.contextmanager
def _torch_alone() -> Iterator[None]:
    """One thread, so that sums are always made in one order; random state and threads restored."""
    threads = torch.get_num_threads()
    with torch.random.fork_rng(devices=[]):
        torch.set_num_threads(1)
        try:
            yield
        finally:
            torch.set_num_threads(threads)
