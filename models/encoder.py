"""The encoder: ResNet18 over one spectrogram window, wide as in the paper or narrow for a small machine."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from .encoder_weights import Weights, expected_shapes

DEFAULT_WIDTH = 16


@dataclass(frozen=True, slots=True)
class EncoderConfig:
    """`width` channels after the stem: 64 is ResNet18, with 11.2 M weights and 512 features; 16 has 0.7 M
    and 128."""

    width: int = DEFAULT_WIDTH

    @property
    def dimensions(self) -> int:
        """Features of a window."""
        return 8 * self.width


class Block(nn.Module):
    """Two 3 x 3 convolutions beside a shortcut (He et al. 2016, figure 2).

    Every ReLU is a module of its own, used once and not in place, so that explainers can hook it.

    Shape: [n, channels_in, h, w] -> [n, channels_out, h / stride, w / stride].
    """

    def __init__(self, channels_in: int, channels_out: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels_in, channels_out, 3, stride, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(channels_out)
        self.relu1 = nn.ReLU()
        self.conv2 = nn.Conv2d(channels_out, channels_out, 3, 1, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(channels_out)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or channels_in != channels_out:
            self.shortcut = nn.Sequential(
                nn.Conv2d(channels_in, channels_out, 1, stride, bias=False), nn.BatchNorm2d(channels_out)
            )
        self.relu2 = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        inner = self.relu1(self.norm1(self.conv1(x)))
        return self.relu2(self.norm2(self.conv2(inner)) + self.shortcut(x))


class Encoder(nn.Module):
    """ResNet18 with one input channel and no classifier (first paper, section III-B).

    Shape: windows [n, 1, 128, 128] in [0, 1] -> features [n, 8 * width], none negative.
    """

    def __init__(self, config: EncoderConfig | None = None) -> None:
        super().__init__()
        self.config = config or EncoderConfig()
        w = self.config.width
        self.stem = nn.Sequential(
            OrderedDict(
                conv=nn.Conv2d(1, w, 7, 2, 3, bias=False),
                norm=nn.BatchNorm2d(w),
                relu=nn.ReLU(),
                pool=nn.MaxPool2d(3, 2, 1),
            )
        )
        self.blocks = nn.Sequential(
            Block(w, w, 1),
            Block(w, w, 1),
            Block(w, 2 * w, 2),
            Block(2 * w, 2 * w, 1),
            Block(2 * w, 4 * w, 2),
            Block(4 * w, 4 * w, 1),
            Block(4 * w, 8 * w, 2),
            Block(8 * w, 8 * w, 1),
        )
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, windows: Tensor) -> Tensor:
        x = self.stem(windows)  # [n, w, 32, 32]
        x = self.blocks(x)  # [n, 8w, 4, 4]
        return x.mean(dim=(2, 3))  # [n, 8w]


def weights_of(encoder: Encoder) -> Weights:
    """The encoder's weights and batch statistics as float32 arrays, copied."""
    state = encoder.state_dict()
    return {
        name: state[name].detach().cpu().contiguous().numpy().copy()
        for name in expected_shapes(encoder.config.width)
    }


def encoder_with(weights: Weights, width: int) -> Encoder:
    """An encoder in evaluation mode with these weights."""
    encoder = Encoder(EncoderConfig(width))
    state = encoder.state_dict()  # keeps the counters of batches, which inference does not use
    state.update({name: torch.from_numpy(array.copy()) for name, array in weights.items()})
    encoder.load_state_dict(state)
    return encoder.eval()
