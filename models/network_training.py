"""Training any of the third paper's networks: its budget, checkpoints, and the same bits every time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray
from torch import nn

from ..pipeline.errors import BadInput
from .checkpoint import give_tensors_to_parts, load_checkpoint, save_checkpoint, tensors_of_parts
from .forecast_split import ForecastSplit
from .one_thread import one_thread

BATCH = 32
LEARNING_RATE = 1e-3
EPOCHS = 70
ITERATIONS = 50


@dataclass(frozen=True, slots=True)
class EpochFigures:
    """What an epoch came to: mean squared error while training (scaled), and the validation RMSE in dB.

    The latter is NaN where nothing is held out.
    """

    epoch: int
    epochs: int
    training_loss: float
    validation_rmse_db: float


Progress = Callable[[EpochFigures], None]


@dataclass(frozen=True, slots=True)
class Budget:
    """How long to train, from which seed, and on what; the defaults are the paper's.

    `device` is one that `choose_device` gave.
    """

    seed: int = 0
    epochs: int = EPOCHS
    iterations: int = ITERATIONS
    device: str = "cpu"

    def __post_init__(self) -> None:
        if self.epochs < 1 or self.iterations < 1:
            raise BadInput(
                f"forecast training: {self.epochs} epochs of {self.iterations} iterations, "
                "needs at least 1 each"
            )


def train_network(
    build: Callable[[], nn.Module],
    split: ForecastSplit,
    budget: Budget,
    *,
    fingerprint: str = "",
    checkpoint: Path | None = None,
    progress: Progress = lambda _figures: None,
) -> tuple[nn.Module, list[EpochFigures]]:
    """Adam at 0.001, squared error, batches of 32; the network of the last epoch, on the CPU, evaluating.

    `build` makes the network, its initial weights drawn from torch's random state, which is seeded for the
    purpose. The same split and budget give the same weights on one machine's CPU; on a GPU only as far as
    its kernels are deterministic. With a `checkpoint` path every epoch ends with an atomic write there,
    and a later call goes on where it ends, to the same result; `fingerprint` is of all that decides it.
    `progress` hears of every epoch made here, and first of the one that it goes on from. Runs on one CPU
    thread and leaves torch's random state and threads as they were.

    Raises BadInput where the checkpoint belongs to another training.
    """
    device = torch.device(budget.device)
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []), one_thread():
        torch.manual_seed(budget.seed)
        network = build().to(device)
        trainable = [p for p in network.parameters() if p.requires_grad]
        # Not fused: a twentieth faster, but other bits than those of the networks that have shipped.
        optimizer = torch.optim.Adam(trainable, lr=LEARNING_RATE)
        parts = {"network": network, "optimizer": optimizer}
        figures = _resume(checkpoint, fingerprint, parts, device)
        if figures:
            progress(figures[-1])
        for epoch in range(len(figures) + 1, budget.epochs + 1):
            loss = _run_epoch(network, optimizer, split, budget)
            validation_rmse_db = split.validation_rmse_db(network, budget.device)
            figures.append(EpochFigures(epoch, budget.epochs, loss, validation_rmse_db))
            if checkpoint is not None:
                arrays = tensors_of_parts(parts) | _random_states(device)
                facts = {"figures": [asdict(figure) for figure in figures]}
                save_checkpoint(checkpoint, fingerprint, arrays, facts)
            progress(figures[-1])
    return network.cpu().eval(), figures


def _run_epoch(
    network: nn.Module, optimizer: torch.optim.Optimizer, split: ForecastSplit, budget: Budget
) -> float:
    """`iterations` batches, through the windows in one random order after another; the mean loss."""
    network.train()
    windows = budget.iterations * BATCH
    rounds = -(-windows // len(split.training))
    order = torch.cat([torch.randperm(len(split.training)) for _ in range(rounds)])
    total = torch.zeros((), dtype=torch.float64, device=budget.device)  # asked for once: a GPU runs ahead
    for batch in order[:windows].split(BATCH):
        histories, targets = split.batch(split.training[batch.numpy()], budget.device)
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(network(histories), targets)
        loss.backward()
        optimizer.step()
        total += loss.detach()
    return total.item() / budget.iterations


def _random_states(device: torch.device) -> dict[str, NDArray[Any]]:
    """Of the order of windows, and of dropout where that is drawn on the device."""
    states = {"random": torch.get_rng_state().numpy()}
    if device.type == "cuda":
        states["random_cuda"] = torch.cuda.get_rng_state(device).numpy()
    return states


def _resume(
    path: Path | None,
    fingerprint: str,
    parts: dict[str, nn.Module | torch.optim.Optimizer],
    device: torch.device,
) -> list[EpochFigures]:
    """Take up where a checkpoint stands, random states included; the figures of its epochs."""
    if path is None or not path.exists():
        return []
    arrays, facts = load_checkpoint(path, fingerprint)
    give_tensors_to_parts(parts, arrays)
    torch.set_rng_state(torch.from_numpy(arrays["random"]))
    if device.type == "cuda":
        torch.cuda.set_rng_state(torch.from_numpy(arrays["random_cuda"]), device)
    return [EpochFigures(**figure) for figure in facts["figures"]]
