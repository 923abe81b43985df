"""Guided backpropagation: which pixels of a window speak for its cluster.

Springenberg, Dosovitskiy, Brox and Riedmiller, "Striving for simplicity: the all convolutional net", ICLR
2015 workshop (arXiv 1412.6806), as the first paper's section IV-A uses it. What the gradient is of:
`docs/decisions/0011-guided-backpropagation.md`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from ..models.encoder import Encoder
from ..pipeline.errors import BadInput
from ..pipeline.frames import Float32, Int64
from ..pipeline.windows import WINDOW_BINS, WINDOW_ROWS
from .cluster_scores import ClusterScores

Gradients = tuple[Tensor, ...] | Tensor

BATCH = 32  # about 2.5 MB a window at width 16, activations kept for the way back


class GuidedBackprop:
    """The gradient of a window's score for a cluster by its pixels, ReLUs passing back what is positive only.

    `encoder` and `scores` are used where they are (`scores` goes to the encoder's device), and are after each
    call as they were before it: modes, weights, gradients, hooks. Inside, both are in evaluation mode.
    """

    def __init__(self, encoder: Encoder, scores: ClusterScores, *, batch: int = BATCH) -> None:
        if scores.dimensions != encoder.config.dimensions:
            raise BadInput(
                f"scores of {scores.dimensions} features, the encoder gives {encoder.config.dimensions}"
            )
        self.encoder = encoder
        self.scores = scores
        self.batch = batch

    def attribute(self, windows: Float32, clusters: Int64 | None = None) -> Float32:
        """The map of each window: above 0 where more power would raise the score, below 0 where it would
        lower it.

        Shape: float32 [n, 128, 128] in [0, 1] -> float32 [n, 128, 128], the score's units a unit of the
        window (40 dB). `clusters` int64 [n] are rows of the scores' centres or weights; by default each
        window's own, the one whose score is highest. Raises BadInput for windows of another shape, NaN or
        values outside, and for clusters that there are not.
        """
        maps = np.empty(windows.shape, dtype=np.float32)
        for first, found in self._batches(windows, clusters):
            maps[first : first + len(found)] = found
        return maps

    def average(self, windows: Float32, clusters: Int64 | None = None) -> Float32:
        """The mean map of windows, as of a whole cluster, one batch in memory at a time; float32 [128, 128].

        As `attribute`; BadInput for no windows.
        """
        if not len(windows):
            raise BadInput("average attribution of 0 windows, needs at least 1")
        total = np.zeros((WINDOW_ROWS, WINDOW_BINS))
        for _, found in self._batches(windows, clusters):
            total += found.sum(axis=0, dtype=np.float64)
        return (total / len(windows)).astype(np.float32)

    def _batches(self, windows: Float32, clusters: Int64 | None) -> Iterator[tuple[int, Float32]]:
        _check(windows, clusters, self.scores.cluster_count)
        for first in range(0, len(windows), self.batch):
            part = slice(first, first + self.batch)
            yield first, self._maps(windows[part], None if clusters is None else clusters[part])

    def _maps(self, windows: Float32, clusters: Int64 | None) -> Float32:
        device = next(self.encoder.parameters()).device
        with guided(self.encoder), torch.inference_mode(False), torch.enable_grad():
            scores = self.scores.to(device)
            pixels = torch.from_numpy(np.array(windows, dtype=np.float32)).to(device)
            pixels = pixels[:, None].requires_grad_()  # [n, 1, 128, 128]
            found: Tensor = scores(self.encoder(pixels))  # [n, k]
            if clusters is None:
                chosen = found.argmax(dim=1)
            else:
                chosen = torch.from_numpy(np.array(clusters, dtype=np.int64)).to(device)
            # A window's score knows nothing of the others: the gradient of the sum is each one's own.
            (gradient,) = torch.autograd.grad(found.gather(1, chosen[:, None]).sum(), pixels)
        return gradient[:, 0].cpu().numpy()


@contextmanager
def guided(network: nn.Module) -> Iterator[None]:
    """Inside, the network is in evaluation mode, its weights take no gradient, and each of its ReLU modules
    passes back only what is positive and came forward. Afterwards all is as it was, whatever happened."""
    modes = [(module, module.training) for module in network.modules()]
    asked = [(weight, weight.requires_grad) for weight in network.parameters()]
    hooks: list[RemovableHandle] = []
    try:
        network.eval()
        for weight, _ in asked:
            weight.requires_grad_(False)
        for module, _ in modes:
            if isinstance(module, nn.ReLU):
                hooks.append(module.register_full_backward_hook(_positive_only))
        yield
    finally:
        for hook in hooks:
            hook.remove()
        for weight, was_asked in asked:
            weight.requires_grad_(was_asked)
        for module, was_training in modes:
            module.training = was_training


def _positive_only(_: nn.Module, to_input: Gradients, __: Gradients) -> Gradients:
    """The ReLU's own gradient is 0 already where nothing came forward."""
    return tuple(gradient.clamp(min=0) for gradient in to_input)


def _check(windows: Float32, clusters: Int64 | None, cluster_count: int) -> None:
    if windows.ndim != 3 or windows.shape[1:] != (WINDOW_ROWS, WINDOW_BINS):
        raise BadInput(f"windows of shape {list(windows.shape)}, needs [n, {WINDOW_ROWS}, {WINDOW_BINS}]")
    if windows.size:
        least, most = float(windows.min()), float(windows.max())
        if not (least >= 0 and most <= 1):  # so that NaN fails, too
            raise BadInput(f"windows hold values from {least:g} to {most:g}, needs 0 to 1")
    if clusters is None:
        return
    if clusters.shape != windows.shape[:1] or not np.issubdtype(clusters.dtype, np.integer):
        raise BadInput(f"clusters are {clusters.dtype} {list(clusters.shape)}, needs int64 [{len(windows)}]")
    wrong = (clusters < 0) | (clusters >= cluster_count)
    if wrong.any():
        raise BadInput(f"cluster {clusters[wrong][0]}, there are 0 to {cluster_count - 1}")
