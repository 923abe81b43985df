"""Epoch after epoch, each kept in a checkpoint: after a kill a training goes on where it was."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol, TypeVar

from numpy.typing import NDArray

from ..pipeline.errors import BadInput
from .checkpoint import load_checkpoint, save_checkpoint

Epoch = TypeVar("Epoch")


class EpochByEpoch(Protocol[Epoch]):
    """A training as it stands; `epochs` is what those done came to."""

    epochs: list[Epoch]

    def run_epoch(self, on_batch: Callable[[], None], clock: Callable[[], float]) -> None:
        """One epoch more."""
        ...

    def fingerprint(self) -> str:
        """Of all that decides its course."""
        ...

    def state(self) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        """Arrays and facts from which `restore` goes on."""
        ...

    def restore(self, arrays: Mapping[str, NDArray[Any]], facts: Mapping[str, Any]) -> None:
        """Be as the one was that gave them."""
        ...


def run_epochs(
    training: EpochByEpoch[Epoch],
    epochs: int,
    checkpoint: Path | None,
    on_epoch: Callable[[Epoch], None],
    on_batch: Callable[[], None],
    clock: Callable[[], float],
) -> None:
    """Train until there are so many epochs; with a `checkpoint` path the state is written there after each,
    and taken up from there if the file exists.

    `on_epoch` is also called for epochs done before; `on_batch` after each step; any of them may raise to
    stop. Raises BadInput for a checkpoint of other settings or windows, or of more epochs than asked for.
    """
    fingerprint = training.fingerprint() if checkpoint else ""
    if checkpoint and checkpoint.is_file():
        training.restore(*load_checkpoint(checkpoint, fingerprint))
        if len(training.epochs) > epochs:
            raise BadInput(
                f"{checkpoint}: of {len(training.epochs)} epochs, more than the {epochs} asked for; "
                "ask for as many or start anew with --no-resume"
            )
    for epoch in training.epochs:
        on_epoch(epoch)
    while len(training.epochs) < epochs:
        training.run_epoch(on_batch, clock)
        if checkpoint:
            save_checkpoint(checkpoint, fingerprint, *training.state())
        on_epoch(training.epochs[-1])
