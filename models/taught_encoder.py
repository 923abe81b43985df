"""An encoder taught what simulated windows show, so that it tells shapes apart in bands it has never met.

The simulator knows of every window which kinds of emitters show in it and with what energy. Hundreds of bands
drawn at random, their receivers and emitters all different, teach what makes a kind (Tobin et al. 2017,
domain randomisation); no window of a real band is labelled by anybody, and its clusters are k-means' as ever.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from .resumed_training import run_epochs
from .taught_network import TaughtNetwork
from .taught_training import TaughtConfig, TaughtEpoch, TaughtTraining
from .taught_windows import TaughtWindows

__all__ = ["TaughtConfig", "TaughtEpoch", "teach_encoder"]


def teach_encoder(
    taught: TaughtWindows,
    config: TaughtConfig,
    *,
    checkpoint: Path | None = None,
    device: str = "cpu",
    on_epoch: Callable[[TaughtEpoch], None] = lambda _: None,
    on_batch: Callable[[], None] = lambda: None,
    clock: Callable[[], float] = time.monotonic,
) -> tuple[TaughtNetwork, list[TaughtEpoch]]:
    """Teach; return the network, in evaluation mode, and every epoch.

    With a `checkpoint` path the state is written there after each epoch and taken up from there if the file
    exists: the result is the same, to the bit, as without the interruption (same machine, same threads).
    `on_epoch` is also called for epochs done before; `on_batch` after each step; any of them may raise to
    stop. The windows are neither copied nor converted whole.

    Raises BadInput for fewer windows than a batch and for a checkpoint of other settings or windows.
    """
    training = TaughtTraining(taught, config, device)
    run_epochs(training, config.epochs, checkpoint, on_epoch, on_batch, clock)
    return training.network.eval(), list(training.epochs)
