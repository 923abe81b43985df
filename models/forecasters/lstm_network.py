"""The third paper's LSTM as a torch module."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .keras_start import start_dense, start_lstm
from .network_config import NetworkConfig


class LstmNetwork(nn.Module):
    """LSTM of Xu et al. (2025), appendix A.1: table A1 "excludes the convolutional layers".

    Read as: without the two convolution blocks, their pools and their dropouts; the first LSTM sees the 24
    steps of all frequencies. The initial weights are Keras' (`keras_start`).

    Shape: scaled histories [n, 24, inputs] -> scaled forecasts [n, 12, outputs].
    """

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        self.lstm1 = nn.LSTM(config.inputs, 64, batch_first=True)
        self.lstm2 = nn.LSTM(64, 32, batch_first=True)
        self.drop = nn.Dropout(0.2)
        self.dense = nn.Linear(32, 64)
        self.output = nn.Linear(64, config.horizon * config.outputs)
        start_lstm(self.lstm1, self.lstm2)
        start_dense(self.dense, self.output)

    def forward(self, x: Tensor) -> Tensor:
        x, _ = self.lstm1(x)  # [n, 24, F] -> [n, 24, 64]
        x, _ = self.lstm2(self.drop(x))  # -> [n, 24, 32]
        x = torch.relu(self.dense(self.drop(x[:, -1])))  # -> [n, 64]
        return self.output(x).view(-1, self.config.horizon, self.config.outputs)  # -> [n, 12, outputs]
