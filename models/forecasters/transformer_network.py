"""The third paper's Transformer as a torch module."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ...pipeline.histories import HISTORY_STEPS
from .keras_start import start_dense
from .network_config import NetworkConfig
from .self_attention import SelfAttention


class TransformerNetwork(nn.Module):
    """Transformer of Xu et al. (2025), appendix A.2, table A2.

    The names `head_size`, `num_heads` and `ff_dim` are those of the encoder block in Keras' example
    "Timeseries classification with a Transformer model" (Ntakouris 2021), and the block is read as that one:
    attention, normalised, added to what came in; then two dense maps over each step, ReLU between them,
    normalised (epsilon 1e-6), added again. Its own dropouts are zero, the example's default, as the table
    gives each dropout a row of its own and the block has none. Left open besides:

    - the width: the frequencies themselves, as no row maps them to another;
    - how many blocks: one, as one row says;
    - the "custom function" that encodes positions: sines and cosines (Vaswani et al. 2017), added;
    - the activation of the dense layer of 64, where table A1 says ReLU and this one nothing: none;
    - the initial weights: Keras'.

    Shape: scaled histories [n, 24, inputs] -> scaled forecasts [n, 12, outputs].
    """

    positions: Tensor

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        width = config.inputs
        self.register_buffer("positions", sines(HISTORY_STEPS, width), persistent=False)
        self.drop = nn.Dropout(0.2)
        self.attention = SelfAttention(width, heads=4, head_size=128)
        self.norm1 = nn.LayerNorm(width, eps=1e-6)
        self.forward1 = nn.Linear(width, 8)
        self.forward2 = nn.Linear(8, width)
        self.norm2 = nn.LayerNorm(width, eps=1e-6)
        self.dense = nn.Linear(width, 64)
        self.output = nn.Linear(64, config.horizon * config.outputs)
        start_dense(self.forward1, self.forward2, self.dense, self.output)

    def forward(self, x: Tensor) -> Tensor:
        x = self.drop(x + self.positions)  # [n, 24, F]
        x = x + self.norm1(self.attention(x))
        x = x + self.norm2(self.forward2(torch.relu(self.forward1(x))))  # F -> 8 -> F
        x = self.dense(self.drop(x.mean(dim=1)))  # -> [n, F] -> [n, 64]
        return self.output(x).view(-1, self.config.horizon, self.config.outputs)  # -> [n, 12, outputs]


def sines(steps: int, width: int) -> Tensor:
    """Vaswani et al. (2017), section 3.5: column 2i is the sine, 2i + 1 the cosine of t / 10000^(2i / width).

    Shape: -> float32 [steps, width]; an odd width ends with a sine.
    """
    pair = torch.arange(width, dtype=torch.float64) // 2
    angle = torch.arange(steps, dtype=torch.float64)[:, None] / 10_000 ** (2 * pair / width)
    is_sine = torch.arange(width) % 2 == 0
    return torch.where(is_sine, angle.sin(), angle.cos()).float()
