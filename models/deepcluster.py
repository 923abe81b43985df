"""DeepCluster: an encoder taught by its own clusters (Caron et al. 2018, as the first paper adapts it)."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from .deepcluster_config import DeepClusterConfig
from .deepcluster_training import Trained, Training, Windows
from .encoder import Encoder
from .resumed_training import run_epochs
from .training_curves import Epoch

__all__ = ["DeepClusterConfig", "Epoch", "Trained", "train_deepcluster", "train_encoder"]


def train_deepcluster(
    windows: Windows,
    config: DeepClusterConfig,
    *,
    checkpoint: Path | None = None,
    device: str = "cpu",
    on_epoch: Callable[[Epoch], None] = lambda _: None,
    on_batch: Callable[[], None] = lambda: None,
    clock: Callable[[], float] = time.monotonic,
) -> Trained:
    """Train on windows [n, 128, 128] in [0, 1].

    Every `cycle` epochs all windows are encoded, projected and clustered; the clusters are the labels of
    the next epochs, with a new linear head: k-means numbers its clusters at random, and the peaks of the
    loss at each clustering (the paper's figure 4b) are the new head's. One carried over by pairing clusters
    would start lower, and be another method. Windows are drawn so that each cluster comes equally often.
    After the last epoch all windows are clustered once more, and the head is fitted to that (`fit_head`).

    With a `checkpoint` path the state is written there after each epoch and taken up from there if the
    file exists: the result is the same, to the bit, as without the interruption (same machine, same
    threads). `on_epoch` is also called for epochs done before; `on_batch` after each step; any of them may
    raise to stop. The windows are neither copied nor converted whole.

    Raises BadInput for fewer windows than clusters and for a checkpoint of other settings or windows, or of
    more epochs than asked for.
    """
    training = _run(windows, config, checkpoint, device, on_epoch, on_batch, clock)
    return training.finished()


def train_encoder(
    windows: Windows,
    config: DeepClusterConfig,
    *,
    checkpoint: Path | None = None,
    device: str = "cpu",
    on_epoch: Callable[[Epoch], None] = lambda _: None,
    on_batch: Callable[[], None] = lambda: None,
) -> tuple[Encoder, list[Epoch]]:
    """As `train_deepcluster`, for who wants no head: the same encoder, and no clustering after the end."""
    training = _run(windows, config, checkpoint, device, on_epoch, on_batch, time.monotonic)
    return training.encoder.eval(), list(training.epochs)


def _run(
    windows: Windows,
    config: DeepClusterConfig,
    checkpoint: Path | None,
    device: str,
    on_epoch: Callable[[Epoch], None],
    on_batch: Callable[[], None],
    clock: Callable[[], float],
) -> Training:
    training = Training(windows, config, device)
    run_epochs(training, config.epochs, checkpoint, on_epoch, on_batch, clock)
    return training
