"""The third paper's CNN-LSTM as a torch module: for training and explaining. The agent runs it without."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .keras_start import start_dense, start_lstm
from .network_config import NetworkConfig

CnnLstmConfig = NetworkConfig  # its name before there were six networks


class CnnLstmNetwork(nn.Module):
    """CNN-LSTM of Xu et al., "Explainable Multi-Frequency Long-Term Spectrum Prediction" (2025), table A1.

    Convolutions run over time with the frequencies as channels and are unpadded: 24 -> 22 -> 11 -> 9 -> 4
    steps. Left open by the table and decided here: the padding, the pools' stride (2, an odd last step is
    dropped) and the initial weights, which are Keras' (`keras_start`), as are the layers' names.

    Shape: scaled histories [n, 24, inputs] -> scaled forecasts [n, 12, outputs].
    """

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        self.conv1 = nn.Conv1d(config.inputs, 64, kernel_size=3)
        self.conv2 = nn.Conv1d(64, 32, kernel_size=3)
        self.pool = nn.MaxPool1d(2)
        self.drop = nn.Dropout(0.2)
        self.lstm1 = nn.LSTM(32, 64, batch_first=True)
        self.lstm2 = nn.LSTM(64, 32, batch_first=True)
        self.dense = nn.Linear(32, 64)
        self.output = nn.Linear(64, config.horizon * config.outputs)
        start_dense(self.conv1, self.conv2, self.dense, self.output)
        start_lstm(self.lstm1, self.lstm2)

    def forward(self, x: Tensor) -> Tensor:
        x = x.transpose(1, 2)  # [n, 24, F] -> [n, F, 24]
        x = self.drop(self.pool(torch.relu(self.conv1(x))))  # -> [n, 64, 22] -> [n, 64, 11]
        x = self.drop(self.pool(torch.relu(self.conv2(x))))  # -> [n, 32, 9] -> [n, 32, 4]
        x, _ = self.lstm1(x.transpose(1, 2))  # -> [n, 4, 64]
        x, _ = self.lstm2(self.drop(x))  # -> [n, 4, 32]
        x = torch.relu(self.dense(self.drop(x[:, -1])))  # -> [n, 64]
        return self.output(x).view(-1, self.config.horizon, self.config.outputs)  # -> [n, 12, outputs]
