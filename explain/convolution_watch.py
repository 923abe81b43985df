"""The last convolution over time that a network runs, and which input steps each of its output steps sees."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from ..pipeline.errors import BadInput
from ..pipeline.histories import HISTORY_STEPS

_OVER_TIME = (nn.Conv1d, nn.MaxPool1d, nn.AvgPool1d)


@dataclass(slots=True)
class ConvolutionWatch:
    """The convolutions and pools of one pass, in the order in which they ran, with their outputs."""

    passed: list[tuple[nn.Module, Tensor]] = field(default_factory=list)

    def last(self, name: str) -> tuple[Tensor, NDArray[np.float64]]:
        """The output [n, channels, J] of the last convolution and the input step at which each j has its
        middle, [J].

        Raises BadInput, with the network's name, where none ran, or where it did not run over the history's
        steps through modules alone, so that where its steps lie cannot be known.
        """
        layers = [layer for layer, _ in self.passed]
        places = [place for place, layer in enumerate(layers) if isinstance(layer, nn.Conv1d)]
        if not places:
            raise BadInput(f"{name} runs no Conv1d, Grad-CAM needs one")
        output = self.passed[places[-1]][1]
        steps, first, apart = HISTORY_STEPS, 0.0, 1.0
        for layer in layers[: places[-1] + 1]:
            kernel, stride, padding, dilation = _shape_of(layer)
            reach = dilation * (kernel - 1)
            before, both = (reach // 2, reach) if padding is None else (padding, 2 * padding)
            first += (reach / 2 - before) * apart
            apart *= stride
            steps = (steps + both - reach - 1) // stride + 1
        if output.ndim != 3 or output.shape[2] != steps:
            raise BadInput(
                f"{name}: its last Conv1d gives {list(output.shape[1:])}, needs [channels, {steps}]: "
                f"convolutions and pools as modules over the {HISTORY_STEPS} steps"
            )
        return output, first + apart * np.arange(steps, dtype=np.float64)


@contextmanager
def watching(network: nn.Module) -> Iterator[ConvolutionWatch]:
    """Convolutions and pools that run inside are noted; no hook remains."""
    watch = ConvolutionWatch()

    def note(layer: nn.Module, _: Any, output: Tensor) -> None:
        watch.passed.append((layer, output))

    hooks = [
        layer.register_forward_hook(note) for layer in network.modules() if isinstance(layer, _OVER_TIME)
    ]
    try:
        yield watch
    finally:
        for hook in hooks:
            hook.remove()


def _shape_of(layer: Any) -> tuple[int, int, int | None, int]:
    """Kernel, stride, padding at each end (None: as much as keeps the length), dilation."""
    kernel, stride, padding = layer.kernel_size, layer.stride, layer.padding
    dilation = getattr(layer, "dilation", 1)
    side = {"same": None, "valid": 0}[padding] if isinstance(padding, str) else _one(padding)
    return _one(kernel), _one(stride), side, _one(dilation)


def _one(size: int | tuple[int, ...]) -> int:
    return size[0] if isinstance(size, tuple) else size
