"""Improved Grad-CAM: which steps and frequencies of its histories a forecasting network looks at.

Xu et al., "Explainable Multi-Frequency Long-Term Spectrum Prediction Based on GC-CNN-LSTM" (2025), section
3.2, after Selvaraju et al. (2017). Where the frequency axis comes from:
`docs/decisions/0015-frequencies-of-grad-cam.md`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ..pipeline.frames import Float32
from ..pipeline.histories import HISTORY_STEPS
from .convolution_watch import watching
from .frozen_network import FrozenNetwork, Target, differentiating, mean_of_outputs

BATCH = 256

Activation = Callable[[Tensor], Tensor]
Float64 = NDArray[np.float64]


class GradCam:
    """Grad-CAM of a network at the last convolution that it runs, each step shared out among frequencies.

    `activation` is what follows that convolution; a unit that it silences has neither value nor gradient.
    The network is used as it is now, and never touched (`FrozenNetwork`). One without a Conv1d over time is
    refused with BadInput at the first call.
    """

    def __init__(
        self,
        network: nn.Module,
        *,
        target: Target = mean_of_outputs,
        activation: Activation = torch.relu,
        batch: int = BATCH,
    ) -> None:
        self._frozen = FrozenNetwork(network, target)
        self._activation = activation
        self._batch = batch

    def attribute(self, histories: Float32) -> Float32:
        """The paper's map L of each window, of a time and a frequency axis; at least 0.

        A step has what `steps` gives it, shared out by |x * d target / d x|: how far each frequency is from
        its mean, times how much the target follows it. A step that the target does not follow at all has 0.

        Shape: scaled histories [n, 24, F] -> float32 [n, 24, F], the target's units. Raises BadInput for
        another shape, values that are not finite, and networks without a Conv1d over time.
        """
        maps = np.empty(histories.shape, dtype=np.float32)
        for first, steps, gradients in self._explained(histories):
            part = slice(first, first + len(steps))
            pull = np.abs(histories[part] * gradients)
            whole = pull.sum(axis=2, keepdims=True)
            shares = np.divide(pull, whole, out=np.zeros_like(pull), where=whole > 0)
            maps[part] = steps[:, :, np.newaxis] * shares
        return maps

    def steps(self, histories: Float32) -> Float32:
        """The paper's one-dimensional map, without frequencies: ReLU(sum over channels of alpha A).

        Each of its few steps stands at the middle of the input steps that it sees; between them it is
        interpolated, before the first and after the last it stays.

        Shape: [n, 24, F] -> float32 [n, 24].
        """
        found = np.empty(histories.shape[:2], dtype=np.float32)
        for first, steps, _ in self._explained(histories):
            found[first : first + len(steps)] = steps
        return found

    def _explained(self, histories: Float32) -> Iterator[tuple[int, Float64, Float64]]:
        """Per batch: its first window, steps [b, 24], gradients by the input [b, 24, F]; float64."""
        values = self._frozen.tensor(histories)
        for first in range(0, len(values), self._batch):
            yield first, *self._explain(values[first : first + self._batch])

    def _explain(self, values: Tensor) -> tuple[Float64, Float64]:
        with differentiating(), watching(self._frozen.network) as watch:
            inputs = values.detach().clone().requires_grad_()
            targets = self._frozen.targets(inputs)
            output, middles = watch.last(self._frozen.name)
            to_output, to_input = torch.autograd.grad(targets.sum(), (output, inputs), materialize_grads=True)
            features = self._activation(output.detach())  # A: [b, channels, J]
        alpha = to_output.mean(dim=2, keepdim=True)
        coarse = torch.relu((alpha * features).sum(dim=1)).cpu().numpy()  # [b, J]
        return _between(coarse, middles), to_input.cpu().numpy()


def _between(coarse: Float64, middles: Float64) -> Float64:
    """Linear interpolation of each row from its places to steps 0 to 23: [b, J] -> [b, 24]."""
    hats = np.eye(len(middles))
    weights = np.stack([np.interp(np.arange(HISTORY_STEPS), middles, hat) for hat in hats])
    return coarse @ weights
