"""A forecasting network held still: a copy in float64, for explainers to differentiate and to hook."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from copy import deepcopy

import numpy as np
import torch
from torch import Tensor, nn

from ..pipeline.errors import BadInput
from ..pipeline.frames import Float32
from ..pipeline.histories import HISTORY_STEPS

Target = Callable[[Tensor], Tensor]
"""Outputs [n, 12, outputs] -> the scalar of each window that is explained, [n]."""


def mean_of_outputs(outputs: Tensor) -> Tensor:
    """The third paper's target: the mean over all steps and frequencies that are forecast, [n]."""
    return outputs.mean(dim=(1, 2))


class FrozenNetwork:
    """A network as it is now, in evaluation mode: what is done here, the given one never notices.

    float64, because a ReLU or a pool that float32 rounds to its other side changes a gradient by far more
    than rounding: one window at a time must give what many at once give.

    `network` is any module from scaled histories [n, 24, F], 0 being a frequency's mean in training, to
    scaled forecasts [n, 12, outputs].
    """

    def __init__(self, network: nn.Module, target: Target = mean_of_outputs) -> None:
        self.name = type(network).__name__
        with torch.inference_mode(False):  # tensors of inference mode cannot be differentiated ever after
            self.network = deepcopy(network).double().eval().requires_grad_(False)
        self._target = target
        first = next(self.network.parameters(), None)
        self.device = torch.device("cpu") if first is None else first.device

    def tensor(self, histories: Float32) -> Tensor:
        """Histories as the network takes them. Raises BadInput for another shape, NaN or infinity."""
        if histories.ndim != 3 or histories.shape[1] != HISTORY_STEPS or not histories.shape[2]:
            raise BadInput(f"histories of shape {list(histories.shape)}, needs [n, {HISTORY_STEPS}, F]")
        if not np.isfinite(histories).all():
            window = int(np.argmin(np.isfinite(histories).all(axis=(1, 2))))
            raise BadInput(f"history {window} of {len(histories)} is not finite, needs numbers only")
        with torch.inference_mode(False):
            return torch.from_numpy(histories.astype(np.float64)).to(self.device)

    def targets(self, histories: Tensor) -> Tensor:
        """What is explained, of each window, [n]; differentiable where `differentiating`."""
        outputs = self.network(histories)
        if outputs.ndim != 3:
            raise BadInput(
                f"{self.name} gives outputs of shape {list(outputs.shape)}, needs [n, steps, outputs]"
            )
        return self._target(outputs)

    def gradients(self, histories: Tensor) -> Tensor:
        """Of each window's target by its own values, [n, 24, F]; no window knows of the others."""
        with differentiating():
            asked = histories.detach().clone().requires_grad_()
            (found,) = torch.autograd.grad(self.targets(asked).sum(), asked)
        return found


@contextlib.contextmanager
def differentiating() -> Iterator[None]:
    """Gradients are made inside, whatever the caller forbade; cuDNN's LSTM makes none in evaluation mode."""
    with torch.inference_mode(False), torch.enable_grad(), torch.backends.cudnn.flags(enabled=False):
        yield
