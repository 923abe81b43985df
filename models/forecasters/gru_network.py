"""The third paper's GRU as a torch module."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .keras_start import start_dense, start_gru
from .network_config import NetworkConfig


class GruNetwork(nn.Module):
    """GRU of Xu et al. (2025), appendix A.1: their LSTM with its two layers replaced by GRU.

    Units and dropouts are the LSTM's, 64 and 32 after 0.2. The form of the cell is left open: Keras'
    default, which is torch's too (`reset_after`: the state goes through its matrix before the reset gate).
    The initial weights are Keras' (`keras_start`).

    Shape: scaled histories [n, 24, inputs] -> scaled forecasts [n, 12, outputs].
    """

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        self.gru1 = nn.GRU(config.inputs, 64, batch_first=True)
        self.gru2 = nn.GRU(64, 32, batch_first=True)
        self.drop = nn.Dropout(0.2)
        self.dense = nn.Linear(32, 64)
        self.output = nn.Linear(64, config.horizon * config.outputs)
        start_gru(self.gru1, self.gru2)
        start_dense(self.dense, self.output)

    def forward(self, x: Tensor) -> Tensor:
        x, _ = self.gru1(x)  # [n, 24, F] -> [n, 24, 64]
        x, _ = self.gru2(self.drop(x))  # -> [n, 24, 32]
        x = torch.relu(self.dense(self.drop(x[:, -1])))  # -> [n, 64]
        return self.output(x).view(-1, self.config.horizon, self.config.outputs)  # -> [n, 12, outputs]
